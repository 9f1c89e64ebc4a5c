"""The Data mode."""
