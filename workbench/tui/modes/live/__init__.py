"""The Live mode."""
