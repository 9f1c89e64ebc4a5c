"""What a pane shows while there is nothing to show: what is missing, and the next key."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from workbench.core.text import clean


class EmptyState(Static):
    """A title and hints such as `n  start a run from a recipe`, in the middle of the pane."""

    def say(self, title: str, hints: Sequence[str]) -> None:
        """Show other words. A hint's key is set off from the rest by two spaces."""
        lines = [Content.styled(clean(title, newlines=True), "bold $foreground 80%"), Content("")]
        lines += [_hint(hint) for hint in hints]
        self.update(Content("\n").join(lines))


def _hint(hint: str) -> Content:
    key, gap, text = clean(hint).partition("  ")
    if not gap:
        return Content.styled(key, "$foreground 60%")
    return Content.assemble((key, "bold $text-accent"), "  ", (text, "$foreground 70%"))
