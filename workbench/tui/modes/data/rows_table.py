"""A table of any number of rows of which only those on screen, and their neighbours, are ever held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.message import Message

from workbench.core.text import cells, clean, cut, pad
from workbench.display.spans import Line, Span
from workbench.tui.widgets.drawn_spans import Drawing

PAGE = 100
_KEPT_PAGES = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One row in short: its position, its index in the source's split, its label and the beginning of its text."""

    at: int
    index: int
    label: str
    text: str
    length: int


class RowsTable(Drawing, can_focus=True):
    """Rows by number, label and text. Asks for pages with `Wanted`, says with `Moved` where the cursor is."""

    @dataclass
    class Wanted(Message):
        """Pages are on screen (or close to it) that are not here."""

    @dataclass
    class Moved(Message):
        """The cursor is on another row, or on none."""

        row: Row | None

    @dataclass
    class Opened(Message):
        """The row under the cursor was clicked when the cursor was on it already."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.total = 0
        self.more = False
        self.cursor = 0
        self._top = 0
        self._pages: dict[int, Sequence[Row]] = {}
        self._waiting = ""

    # -- what is in it -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Forget everything: other rows come."""
        self.total = self.cursor = self._top = 0
        self.more = False
        self._pages.clear()
        self._waiting = ""
        self.update_lines()

    def fill(self, page: int, rows: Sequence[Row], total: int, *, more: bool = False) -> None:
        """Rows `page * PAGE` and on, of `total` that are known of; `more` may follow."""
        self._waiting = ""
        self.total, self.more = total, more
        self._pages[page] = rows
        for far in sorted(self._pages, key=lambda other: -abs(other - page))[: max(0, len(self._pages) - _KEPT_PAGES)]:
            del self._pages[far]
        self.cursor = min(self.cursor, max(0, total - 1))
        self.update_lines()
        if self.cursor // PAGE == page:
            self.post_message(self.Moved(self.row))

    def wait(self, text: str) -> None:
        """Say `text` where there are no rows yet."""
        self._waiting = text
        self.update_lines()

    def missing(self) -> int | None:
        """The page to fetch next: what is on screen before what lies around it. None: all is here."""
        first, last = self._top // PAGE, (self._top + max(1, self._room())) // PAGE
        pages = [*range(first, last + 1), last + 1, first - 1]
        end = max(1, -(-self.total // PAGE) + (1 if self.more else 0))
        return next((page for page in pages if 0 <= page < end and page not in self._pages), None)

    @property
    def row(self) -> Row | None:
        """The row under the cursor, where it is here."""
        return self._at(self.cursor)

    def _at(self, position: int) -> Row | None:
        page = self._pages.get(position // PAGE, ())
        offset = position % PAGE
        return page[offset] if offset < len(page) else None

    # -- moving --------------------------------------------------------------------------------------------------

    def move_to(self, position: int) -> None:
        """Put the cursor on the row at `position` and bring it on screen."""
        position = max(0, min(position, self.total - 1))
        if position == self.cursor:
            return
        self.cursor = position
        self._follow()
        self.update_lines()
        self.post_message(self.Moved(self.row))
        if self.missing() is not None:
            self.post_message(self.Wanted())

    def _follow(self) -> None:
        room = max(1, self._room())
        self._top = max(min(self._top, self.cursor), self.cursor - room + 1)

    def _room(self) -> int:
        return self.size.height - 1

    def move(self, rows: int, columns: int) -> None:
        self.move_to(self.cursor + rows)

    def on_resize(self) -> None:
        self._follow()
        self.update_lines()
        if self.missing() is not None:
            self.post_message(self.Wanted())

    def on_click(self, event: events.Click) -> None:
        position = self._top + event.y - 1
        if event.y < 1 or position >= self.total:
            return
        if position == self.cursor:
            self.post_message(self.Opened())
        self.move_to(position)

    # -- drawing -------------------------------------------------------------------------------------------------

    def lines(self, width: int, height: int) -> list[Line]:
        if not self.total:
            return [(Span(cut(self._waiting, width), "muted"),)] if self._waiting else []
        rows = [self._at(position) for position in self._shown(height - 1)]
        number, label = self._widths(rows, width)
        lines = [_line("row", "label" if label else "", "text", number, label, width, "head")]
        for position, row in zip(self._shown(height - 1), rows, strict=True):
            role = "cursor" if position == self.cursor else ""
            lines.append(
                _line(f"{row.index:,}", row.label, row.text, number, label, width, role)
                if row
                else (Span(pad(f"{'·':>{number}}", width), role or "muted"),)
            )
        return lines

    def _shown(self, room: int) -> range:
        return range(self._top, min(self.total, self._top + max(0, room)))

    def _widths(self, rows: Sequence[Row | None], width: int) -> tuple[int, int]:
        here = [row for row in rows if row]
        number = max((len(f"{row.index:,}") for row in here), default=3)
        label = max((cells(clean(row.label[:40])) for row in here), default=0)
        return max(3, number), min(label and max(5, label), max(8, width // 4))


def _line(number: str, label: str, text: str, left: int, middle: int, width: int, role: str) -> Line:
    spans = [Span(f"{number:>{left}}  ", role or "muted")]
    if middle:
        spans.append(Span(pad(clean(label[:80]), middle) + "  ", role or "best" if role != "head" else role))
    room = max(0, width - left - 2 - (middle + 2 if middle else 0))
    spans.append(Span(pad(clean(text[: 2 * room]), room), role))
    return tuple(spans)


def row_of(item: dict[str, Any]) -> Row:
    """A row as `data.page` sends it."""
    return Row(int(item["at"]), int(item["row"]), str(item["label"] or ""), str(item["text"]), int(item["length"]))
