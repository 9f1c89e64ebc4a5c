"""A table of any length: only the rows in view are known, and only they are rendered.

Textual's DataTable costs about 150 µs a row; here ten rows and ten million cost the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.core.text import pad


class Cell(NamedTuple):
    """A short text and its kind: "", dim, good, warn, bad, accent."""

    text: str
    kind: str = ""


class Column(NamedTuple):
    """A column: `width` in cells; one with `grow` takes what is left. Those with the highest `drop` go first."""

    name: str
    title: str
    width: int
    right: bool = False
    grow: bool = False
    drop: int = 0


class Row(NamedTuple):
    """A row: its key, its cells in the columns' order."""

    key: str
    cells: tuple[Cell, ...]


KINDS = ("dim", "good", "warn", "bad", "accent")
_GUTTER = 2
_GAP = 2


class LineTable(ScrollView, can_focus=True, inherit_bindings=False):
    """A header line and rows. The owner answers `WindowWanted` by calling `show`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--cursor",
        "table--blurred",
        "table--mark",
        *(f"table--{kind}" for kind in KINDS),
    }
    DEFAULT_CSS = """
    LineTable {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .table--header { color: $foreground 60%; text-style: bold; }
        & > .table--cursor { background: $primary 35%; text-style: bold; }
        & > .table--blurred { background: $foreground 10%; }
        & > .table--mark { color: $text-accent; }
        & > .table--dim { color: $foreground 55%; }
        & > .table--good { color: $text-success; }
        & > .table--warn { color: $text-warning; }
        & > .table--bad { color: $text-error; }
        & > .table--accent { color: $text-accent; }
    }
    """

    @dataclass
    class WindowWanted(Message):
        """Rows from `first` on are in view and are not known."""

        first: int
        count: int

    @dataclass
    class CursorMoved(Message):
        """The cursor is on another row."""

        key: str | None

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._layout: list[tuple[int, Column, int]] = []
        self._rows: dict[int, Row] = {}
        self._total = 0
        self._cursor = 0
        self._marks: frozenset[str] = frozenset()

    # -- what is shown -------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        return self._total

    @property
    def cursor(self) -> int:
        """Index of the row that the cursor is on."""
        return self._cursor

    @property
    def cursor_row(self) -> Row | None:
        """The row under the cursor; None where there is none or it is not known yet."""
        return self._rows.get(self._cursor)

    def show(self, first: int, rows: Sequence[Row], total: int) -> None:
        """The rows from index `first` on, of `total`. The cursor stays with its row where that has moved."""
        held = self.cursor_row if self._cursor else None
        old, self._rows = self._rows, dict(enumerate(rows, first))
        if total != self._total:
            self._total = total
            self.virtual_size = Size(self.size.width, total + 1)
        moved = next((i for i, row in self._rows.items() if held is not None and row.key == held.key), self._cursor)
        if moved != self._cursor and held is not None:
            self._keep_in_place(moved - self._cursor)
            self.refresh()
        else:
            self._repaint_changed(old)
        self._put_cursor(moved)

    def mark(self, keys: frozenset[str]) -> None:
        """Show which rows are marked."""
        if keys != self._marks:
            changed, self._marks = keys ^ self._marks, keys
            for index, row in self._rows.items():
                if row.key in changed:
                    self._repaint(index)

    def restyle(self, columns: Sequence[Column]) -> None:
        """Other columns."""
        self._columns = tuple(columns)
        self._lay_out()
        self.refresh()

    def _keep_in_place(self, delta: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + delta, animate=False, force=True, immediate=True)

    def _repaint_changed(self, old: Mapping[int, Row]) -> None:
        top = self.scroll_offset.y
        for index in range(top, top + self.size.height):
            if old.get(index) != self._rows.get(index):
                self._repaint(index)

    def _repaint(self, index: int) -> None:
        y = index + 1 - self.scroll_offset.y
        if 0 < y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    # -- the cursor ----------------------------------------------------------------------------------------------

    def move_to(self, index: int) -> None:
        """Put the cursor on a row and bring it into view."""
        self._put_cursor(index)
        page = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self._cursor < top:
            self._scroll(self._cursor)
        elif self._cursor >= top + page:
            self._scroll(self._cursor - page + 1)

    def _scroll(self, top: int) -> None:
        self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def _put_cursor(self, index: int) -> None:
        before, key = self._cursor, self._key
        self._cursor = max(0, min(index, self._total - 1))
        if before != self._cursor:
            self._repaint(before)
            self._repaint(self._cursor)
        row = self.cursor_row
        self._key = row.key if row else None
        if self._key != key:
            self.post_message(self.CursorMoved(self._key))

    _key: str | None = None

    def action_cursor_up(self) -> None:
        self.move_to(self._cursor - 1)

    def action_cursor_down(self) -> None:
        self.move_to(self._cursor + 1)

    def action_page_up(self) -> None:
        self.move_to(self._cursor - max(1, self.size.height - 2))

    def action_page_down(self) -> None:
        self.move_to(self._cursor + max(1, self.size.height - 2))

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(self._total - 1)

    def on_click(self, event: events.Click) -> None:
        if event.y > 0:
            self.move_to(self.scroll_offset.y + event.y - 1)

    # -- rendering -----------------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._want_window()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, self._total + 1)
        self._lay_out()
        self._want_window()
        self.move_to(self._cursor)

    def _want_window(self) -> None:
        first, last = self.scroll_offset.y, min(self._total, self.scroll_offset.y + self.size.height - 1)
        if any(index not in self._rows for index in range(first, last)):
            self.post_message(self.WindowWanted(first, last - first))

    def _lay_out(self) -> None:
        """Choose the columns that fit, and give the growing one what is left."""
        chosen = list(enumerate(self._columns))
        while len(chosen) > 1 and self._needed(chosen) > self.size.width:
            victim = max(chosen, key=lambda item: (item[1].drop, item[0]))
            if not victim[1].drop:
                break
            chosen.remove(victim)
        left = max(0, self.size.width - self._needed(chosen))
        self._layout = [(at, column, column.width + (left if column.grow else 0)) for at, column in chosen]

    def _needed(self, chosen: list[tuple[int, Column]]) -> int:
        return _GUTTER + sum(column.width for _, column in chosen) + _GAP * (len(chosen) - 1) + 1

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not self._layout:
            self._lay_out()
        if y == 0:
            return self._header().adjust_cell_length(width).apply_style(self.rich_style)
        index = self.scroll_offset.y + y - 1
        if index >= self._total:
            return Strip.blank(width, self.rich_style)
        return self._row(index).adjust_cell_length(width).apply_style(self.rich_style)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"table--{name}", partial=True)

    def _header(self) -> Strip:
        style = self._style("header")
        parts = [pad(column.title, width, right=column.right) for _, column, width in self._layout]
        return Strip([Segment(" " * _GUTTER + (" " * _GAP).join(parts), style)])

    def _row(self, index: int) -> Strip:
        row = self._rows.get(index)
        if row is None:
            return Strip([Segment("  ·", self._style("dim"))])
        marked = row.key in self._marks
        segments = [Segment("◆ " if marked else "  ", self._style("mark"))]
        for at, column, width in self._layout:
            cell = row.cells[at]
            text = pad(cell.text, width, right=column.right) + " " * _GAP
            segments.append(Segment(text, self._style(cell.kind) if cell.kind else None))
        strip = Strip(segments).adjust_cell_length(self.size.width)
        if index != self._cursor:
            return strip
        return _over(strip, self._style("cursor" if self.has_focus else "blurred"))

    def on_focus(self) -> None:
        self._repaint(self._cursor)

    def on_blur(self) -> None:
        self._repaint(self._cursor)


def _over(strip: Strip, style: Style) -> Strip:
    """`style` laid over what the segments say of themselves: their colours stay, the background is the cursor's."""
    return Strip([Segment(text, (own or Style.null()) + style) for text, own, _ in strip], strip.cell_length)
