"""What a model can be trained to do: `spec` says what a task is, one folder each says the rest."""
