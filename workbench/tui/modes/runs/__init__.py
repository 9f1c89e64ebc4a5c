"""The Runs mode."""
