"""The Metrics mode."""
