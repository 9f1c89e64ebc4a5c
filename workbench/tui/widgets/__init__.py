"""Widgets that more than one pane may use. `chart` is the only file that knows plotext."""
