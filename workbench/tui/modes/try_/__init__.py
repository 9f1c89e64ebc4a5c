"""The Try mode."""
