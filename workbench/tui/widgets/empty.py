"""What a pane shows while there is nothing to show: what is missing, and the next key."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widgets import Static

from workbench.core.text import clean
from workbench.display.spans import Line, line
from workbench.tui.widgets.styles import content


class EmptyState(Static):
    """A title and hints such as `n  start a run from a recipe`, in the middle of the pane."""

    def say(self, title: str, hints: Sequence[str]) -> None:
        """Show other words. A hint's key is set off from the rest by two spaces."""
        titles = [line((text, "bold")) for text in clean(title, newlines=True).split("\n")]
        self.update(content([*titles, (), *map(_hint, hints)], self))


def _hint(hint: str) -> Line:
    key, gap, text = clean(hint).partition("  ")
    return line((key, "key"), gap, (text, "muted")) if gap else line((key, "muted"))
