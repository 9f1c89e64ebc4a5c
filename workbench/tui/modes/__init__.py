"""One folder a mode; its `pane` is imported when the mode is first opened."""
