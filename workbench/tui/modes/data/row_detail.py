"""One row, whole: every column's name and its text, wrapped."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.contracts.lab.data_requests import RowField
from workbench.core.text import clean
from workbench.display.spans import Line, Span, line
from workbench.display.wrap import wrap
from workbench.tui.widgets.drawing import Scrolled


class RowDetail(Scrolled):
    """Scrolls by lines when it has the focus."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = ""
        self._fields: tuple[RowField, ...] = ()
        self._wrapped: tuple[int, list[Line]] = (0, [])

    def show(self, title: str, fields: Sequence[RowField]) -> None:
        """Another row."""
        self._title, self._fields, self.top = title, tuple(fields), 0
        self._wrapped = (0, [])
        self.update_lines()

    def every(self, width: int) -> list[Line]:
        if self._wrapped[0] != width:
            self._wrapped = (width, _wrapped(self._title, self._fields, width))
        return self._wrapped[1]

    def lines(self, width: int, height: int) -> list[Line]:
        shown = super().lines(width, height)
        if (below := len(self.every(width)) - self.top - height) > 0:
            shown[-1] = line((f"↓ {below + 1:,} more lines", "muted"))
        return shown


def _wrapped(title: str, fields: Sequence[RowField], width: int) -> list[Line]:
    lines: list[Line] = [(Span(title, "muted"),)] if title else []
    for field in fields:
        size = f"  {field.characters:,} characters" if field.characters >= 20 else ""
        lines.append((Span(clean(field.name), "head"), Span(size, "muted")))
        lines += [line(text) for text in wrap(clean(field.text, newlines=True), width)]
        if field.characters > len(field.text):
            lines.append((Span(f"… and {field.characters - len(field.text):,} more characters", "muted"),))
    return lines
