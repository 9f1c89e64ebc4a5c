"""One file per mode, imported when the mode is first opened."""
