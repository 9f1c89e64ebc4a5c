"""From what a recipe names to tables of rows: sources, splits, columns, labels."""
