"""The terminal interface: a shell (`app`, `pane`, `bindings`, `feed`) and six panes that stand on it."""
