"""The Tokens mode."""
