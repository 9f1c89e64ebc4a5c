"""The rows of a split in short: of any number of them only those on screen, and their neighbours, are ever held."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.contracts.lab.data_requests import ShortRow
from workbench.core.text import cells, clean
from workbench.display.spans import line
from workbench.tui.widgets.table import Column, Row, TableSource, TableWindow, VirtualTable

PAGE = 100
_KEPT_PAGES = 40
_MOST = 2000  # characters of a text that a line may show


class Pages(TableSource):
    """Rows by number, label and text, of `total` that are known of; with `more` there may be others after them."""

    def __init__(self) -> None:
        self.more = False
        self.pages: dict[int, Sequence[ShortRow]] = {}

    def put(self, page: int, rows: Sequence[ShortRow], total: int, *, more: bool = False) -> None:
        """Rows `page * PAGE` and on; the pages that are farthest from them are forgotten."""
        self.total, self.more, self.pages[page] = total, more, rows
        farthest = sorted(self.pages, key=lambda other: -abs(other - page))
        for far in farthest[: max(0, len(self.pages) - _KEPT_PAGES)]:
            del self.pages[far]

    def at(self, place: int) -> ShortRow | None:
        """The row at a place, where it is here."""
        page, offset = self.pages.get(place // PAGE, ()), place % PAGE
        return page[offset] if offset < len(page) else None

    def columns(self, width: int, window: TableWindow) -> Sequence[Column]:
        here = [row for place in window.indices if (row := self.at(place))]
        number = max(3, max((len(f"{row.index:,}") for row in here), default=3))
        label = max((cells(clean(row.label[:40])) for row in here), default=0)
        label = min(label and max(5, label), max(8, width // 4))
        labels = Column("label", "label" if label else "", label, gap=2 if label else 0)
        return Column("row", "row", number, right=True), labels, Column("text", "text", 0, grow=True)

    def row(self, place: int) -> Row | None:
        row = self.at(place)
        if row is None:
            return None
        label = line((clean(row.label[:80]), "best"))
        return Row(str(place), (line((f"{row.index:,}", "muted")), label, line(clean(row.text[:_MOST]))))

    def missing(self, window: TableWindow, cursor: int) -> int | None:
        """The page to fetch next: what is on screen before what lies around it."""
        first, last = window.first // PAGE, (window.first + window.count) // PAGE
        end = max(1, -(-self.total // PAGE) + self.more)
        pages = [*range(first, last + 1), last + 1, first - 1]
        return next((page for page in pages if 0 <= page < end and page not in self.pages), None)


class RowsTable(VirtualTable):
    """A table of pages. `begin` forgets them all, `fill` brings another one."""

    def __init__(self, *, id: str | None = None) -> None:
        self.rows = Pages()
        super().__init__(self.rows, id=id)

    def begin(self) -> None:
        """Forget everything: other rows come."""
        self.rows = Pages()
        self.show(self.rows, afresh=True)

    def fill(self, page: int, rows: Sequence[ShortRow], total: int, *, more: bool = False) -> None:
        """Rows `page * PAGE` and on, of `total` that are known of; `more` may follow."""
        self.rows.put(page, rows, total, more=more)
        self.show(self.rows)

    @property
    def row(self) -> ShortRow | None:
        """The row under the cursor, where it is here."""
        return self.rows.at(self.cursor)
