"""What crosses a process: events in the logs, requests to the lab and its replies."""
