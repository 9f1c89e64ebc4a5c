"""Lines of text that the command line and the screens both show."""
