"""token-classification: a tag for every word."""
