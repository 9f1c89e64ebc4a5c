"""masked-lm: the masked tokens of a text."""
