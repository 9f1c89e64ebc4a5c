"""Tables and tokens that were made before, mapped from disk."""
