"""The table, fed by a source: it asks for the rows in view and draws those, so ten and ten million cost the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from textual import events
from textual.message import Message

from workbench.core.text import cut
from workbench.display.spans import Line, Span, fitted, line, width_of
from workbench.tui.widgets.drawing import Drawing


class Column(NamedTuple):
    """A column: `width` in cells, with `grow` and what is left. `gap` cells part it from the one before it.

    One that is flush `right` holds numbers: it grows with them, as one does that is to be `whole`, and is left out
    rather than cut. Where not all fit, those with the highest `drop` go first.
    """

    name: str
    title: str
    width: int
    right: bool = False
    grow: bool = False
    drop: int = 0
    gap: int = 2
    whole: bool = False
    sort: str = ""  # an arrow after the title of the column that the rows are sorted by


class Row(NamedTuple):
    """A row: its key, a cell for each column, and what stands before the first of them."""

    key: str
    cells: Sequence[Line]
    mark: str | Line = ""


@dataclass(frozen=True)
class TableWindow:
    """`count` things starting with `first` of `total`."""

    first: int
    count: int
    total: int

    @classmethod
    def around(cls, cursor: int, room: int, total: int, first: int = 0) -> TableWindow:
        """As much as fits in `room`, moved from `first` only as far as shows the cursor."""
        count = max(1, min(room, total))
        first = min(max(first, cursor - count + 1), cursor)
        return cls(max(0, min(first, total - count)), count, total)

    @property
    def whole(self) -> bool:
        return self.count >= self.total

    @property
    def indices(self) -> range:
        return range(self.first, min(self.first + self.count, self.total))

    def __str__(self) -> str:
        return f"{self.first + 1}–{min(self.first + self.count, self.total)} of {self.total}"


class TableSource:
    """What a table shows: rows by their place from 0 on. A row that is not there yet is None."""

    total = 0
    lead: ClassVar[int] = 0  # cells before the first column, for the rows' marks
    bar: ClassVar[bool] = False  # a bar at the right says where one is
    pointed: ClassVar[bool] = True  # a cursor is on one of the rows; else up and down scroll
    foot: Row | None = None  # a last line that is always in view

    def columns(self, width: int, window: TableWindow) -> Sequence[Column]:
        """The columns for `width` cells while the rows of `window` are in view."""
        raise NotImplementedError

    def row(self, place: int) -> Row | None:
        """The row at a place below `total`, with a cell for each of the columns given last."""
        raise NotImplementedError

    def find(self, key: str) -> int | None:
        """Where the row of a key is now; None where that is not known, or where rows do not move."""
        return None

    def missing(self, window: TableWindow, cursor: int) -> int | None:
        """What to read next, as the source counts it; None where all that is wanted is there."""
        return None


class VirtualTable(Drawing, can_focus=True):
    """A head, the rows in view, a foot. The cursor stays with its row when that moves, except in the first place."""

    DEFAULT_CSS = "VirtualTable { width: 1fr; }"

    @dataclass
    class Wanted(Message):
        """Something is to be read that is in view, or near it: `TableSource.missing` says what."""

        offset: int

    @dataclass
    class CursorMoved(Message):
        """The cursor is on another row; None where that is not there yet."""

        row: Row | None

    def __init__(self, source: TableSource | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.source = source or TableSource()
        self.cursor = self.top = 0
        self._said = ""
        self._key: str | None = None

    # -- what is in it -------------------------------------------------------------------------------------------

    def show(self, source: TableSource, *, afresh: bool = False) -> None:
        """Show other rows, or the same ones again that have changed. `afresh` begins at the first of them."""
        held = self._key if self.cursor else None
        self.source, self._said = source, ""
        if afresh:
            self.cursor = self.top = 0
            self._key = held = None
        moved = None if held is None else source.find(held)
        if moved is not None:
            self.top, self.cursor = max(0, self.top + moved - self.cursor), moved
        self.move_to(self.cursor)

    def say(self, text: str) -> None:
        """Words in place of the table, until it is shown again."""
        self._said = text
        self.update_lines()

    @property
    def total(self) -> int:
        return self.source.total

    @property
    def cursor_row(self) -> Row | None:
        """The row under the cursor; None where there is none or it is not there yet."""
        return self.source.row(self.cursor) if 0 <= self.cursor < self.total else None

    @property
    def known(self) -> list[Row]:
        """The rows in view that are there."""
        return [row for place in self.window.indices if (row := self.source.row(place)) is not None]

    @property
    def window(self) -> TableWindow:
        """The rows in view."""
        return self._window(self.size.height)

    def _window(self, height: int) -> TableWindow:
        room = self.room(height)
        if self.source.pointed:
            return TableWindow.around(self.cursor, room, self.total, self.top)
        return TableWindow(max(0, min(self.top, self.total - room)), max(1, room), self.total)

    def room(self, height: int) -> int:
        """How many rows there is room for."""
        return height - 1 - (self.source.foot is not None)

    def missing(self) -> int | None:
        """What is to be read next."""
        return self.source.missing(self.window, self.cursor)

    # -- moving --------------------------------------------------------------------------------------------------

    def move_to(self, place: int) -> None:
        """Put the cursor on a row and bring it into view."""
        self.cursor = max(0, min(place, self.total - 1))
        self.top = self.window.first
        self.update_lines()
        self._tell()

    def move(self, rows: int, columns: int) -> None:
        if not self.source.pointed:
            self.top = max(0, self.top + rows)
        self.move_to(self.cursor + rows)

    def _tell(self) -> None:
        row = self.cursor_row
        if (key := row.key if row else None) != self._key:
            self._key = key
            self.post_message(self.CursorMoved(row))
        if (offset := self.missing()) is not None:
            self.post_message(self.Wanted(offset))

    def on_resize(self) -> None:
        self.move_to(self.cursor)

    def on_click(self, event: events.Click) -> None:
        window = self.window
        if self.source.bar and event.x == self.size.width - 1:
            self.move_to(self.total * (event.y - 1) // max(1, window.count))
        elif 0 < event.y <= len(window.indices):
            self.move_to(window.first + event.y - 1)

    # -- drawing -------------------------------------------------------------------------------------------------

    def lines(self, width: int, height: int) -> list[Line]:
        if self._said:
            return [line((cut(self._said, width), "muted"))]
        return table_lines(self.source, self._window(height), self.cursor, width)


def table_lines(source: TableSource, window: TableWindow, cursor: int, width: int) -> list[Line]:
    """The head, the rows of `window` with the cursor on one of them, the foot."""
    columns = list(source.columns(width, window)) if source.total else []
    empty = Row("", [line(("·", "muted"))] + [()] * (len(columns) - 1))
    rows = [source.row(place) or empty for place in window.indices]
    every = [*rows, source.foot] if source.foot is not None else rows
    placed = _placed([_wide_enough(at, column, every) for at, column in enumerate(columns)], source, width)
    heads = Row("", [(Span(f"{column.title}{column.sort}", "head"),) for column in columns])
    shown = [_line(heads, source.lead, placed, width)]
    for at, (place, row) in enumerate(zip(window.indices, rows, strict=True)):
        drawn = _line(row, source.lead, placed, width)
        if source.bar and not window.whole:
            drawn = (*fitted(drawn, width - 1), _bar(at, window))
        if source.pointed and place == cursor:
            drawn = tuple(span._replace(cursor=True) for span in drawn)
        shown.append(drawn)
    return shown if source.foot is None else [*shown, _line(source.foot, source.lead, placed, width)]


Placed = list[tuple[Column, int, int]]


def _wide_enough(at: int, column: Column, rows: Sequence[Row]) -> Column:
    """A column of numbers is as wide as the widest in view: a number that is cut is another number."""
    widest = max((width_of(row.cells[at]) for row in rows), default=0) if column.right or column.whole else 0
    return column._replace(width=widest) if widest > column.width > 0 else column


def _placed(columns: Sequence[Column], source: TableSource, width: int) -> Placed:
    """The columns that fit, each with its place among all and its width; the growing one takes what is left.

    Those with the highest `drop` go first, then the numbers at the right that would be cut.
    """
    chosen, room = list(enumerate(columns)), width - source.bar - source.lead
    while len(chosen) > 1 and _needed(chosen) > room:
        victim = max(chosen, key=lambda item: (item[1].drop, item[1].right, item[0]))
        if not (victim[1].drop or victim[1].right):
            break
        chosen.remove(victim)
    left = max(0, room - _needed(chosen))
    return [(column, at, column.width + left * column.grow) for at, column in chosen]


def _needed(chosen: Sequence[tuple[int, Column]]) -> int:
    return sum(column.gap for _, column in chosen[1:]) + sum(column.width for _, column in chosen)


def _line(row: Row, lead: int, placed: Placed, width: int) -> Line:
    mark = line((row.mark, "accent")) if isinstance(row.mark, str) else row.mark
    spans: list[Span] = list(fitted(mark, lead)) if lead else []
    for number, (column, at, size) in enumerate(placed):
        spans += [Span(" " * column.gap)] if number and column.gap else []
        spans += fitted(row.cells[at], size, right=column.right)
    drawn = tuple(spans)
    return fitted(drawn, width) if width_of(drawn) < width else drawn


def _bar(at: int, window: TableWindow) -> Span:
    """The bar beside the row `at` of those in view: thick where the rows in view are among all of them."""
    size = max(1, window.count * window.count // window.total)
    start = round((window.count - size) * window.first / max(1, window.total - window.count))
    return Span("┃", "muted") if start <= at < start + size else Span("│", "track")
