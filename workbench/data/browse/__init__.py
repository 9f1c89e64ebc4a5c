"""Pages of a file that is not read whole."""
