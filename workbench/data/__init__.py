"""From what a recipe names to tables of rows: sources, splits, columns, labels, and what there is to say of them."""
