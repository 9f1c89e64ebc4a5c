"""One line over the rows: the splits with their sizes, and what the rows are narrowed to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual import events
from textual.message import Message

from workbench.core.text import cells, clean, cut
from workbench.display.spans import Line, Span, StyleName, width_of
from workbench.tui.widgets.drawing import Drawing


class SplitTabs(Drawing):
    """Says with `Chosen` which split was clicked."""

    DEFAULT_CSS = "SplitTabs { height: 1; background: $surface; }"

    class Chosen(Message):
        """Another split is wanted."""

        def __init__(self, split: str) -> None:
            super().__init__()
            self.split = split

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._splits: Sequence[str] = ()
        self._sizes: Mapping[str, str] = {}
        self._current, self._narrowed = "", ""

    def show(self, splits: Sequence[str], current: str, sizes: Mapping[str, str], narrowed: str) -> None:
        """Other splits, sizes (as text) or narrowing."""
        self._splits, self._current = tuple(splits), current
        self._sizes, self._narrowed = dict(sizes), clean(narrowed)
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        tabs = [span for split in self._splits for span in self._tab(split)]
        used = width_of(tuple(tabs))
        said = cut(self._narrowed, max(0, width - used - 3))
        gap = " " * max(1, width - used - cells(said) - 1)
        return [(*tabs, Span(gap), Span(said, "best"))]

    def _tab(self, split: str) -> tuple[Span, Span]:
        style: StyleName = "best" if split == self._current else ""
        return Span(f" {clean(split)} ", style), Span(f"{self._sizes.get(split, '')}  ", "muted")

    def on_click(self, event: events.Click) -> None:
        reached = 0
        for split in self._splits:
            reached += width_of(self._tab(split))
            if event.x < reached:
                self.post_message(self.Chosen(split))
                return
