"""What there is to say of the rows before a model sees them."""
