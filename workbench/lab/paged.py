"""The rows of a file too large to hold, or too broken to read as a table, through a pager."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pyarrow as pa

from workbench.contracts.lab.data_requests import DataPageReply, DataRowReply, DataStatsReply, RowPassage, ShortRow
from workbench.core.errors import DataError
from workbench.data.browse.pager import BROKEN, open_pager
from workbench.data.tables.sources import SplitFiles
from workbench.lab.row_pages import SNIPPET, TableRows, as_text, fields_of, recognise

_HEAD = 200  # rows by which text and label are recognised
_MEASURED = 20_000  # rows that figures are made of: a file of gigabytes is not read for a histogram
_Record = dict[str, Any]


class PagedRows:
    """What `TableRows` is for a table. Totals are of the rows seen so far until the end has been reached."""

    def __init__(self, part: SplitFiles) -> None:
        self._part = part
        self._lock = threading.Lock()
        self._pager = open_pager(part)
        head = self._pager.page(0, _HEAD)
        self.names = list(dict.fromkeys(name for row in head for name in row if name != BROKEN))
        self.text, self.label = recognise(_table(head, self.names))

    def page(self, offset: int, limit: int, search: str, label: str | None) -> DataPageReply:
        """As `TableRows.page`; `more` where the end has not been seen."""
        with self._lock:
            narrowed = {
                "contains": search,
                "column": self.label or "" if label is not None else "",
                "value": label or "",
            }
            if search or label is not None:
                found = self._pager.search(offset, limit, **narrowed)
                total, done = self._pager.found(**narrowed)
            else:
                found = list(enumerate(self._pager.page(offset, limit), offset))
                total, done = self._pager.known, self._pager.total is not None
            return DataPageReply(total, self._pager.known, not done, tuple(self._short(at, row) for at, row in found))

    def _short(self, at: int, row: _Record) -> ShortRow:
        text = self._shown(row)
        return ShortRow(at, at, self._label(row), text[:SNIPPET], len(text))

    def _label(self, row: _Record) -> str:
        return as_text(row.get(self.label)) if self.label else ""

    def _shown(self, row: _Record) -> str:
        if BROKEN in row and row[BROKEN] is not None:
            return f"cannot be read: {row[BROKEN]}"
        return as_text(row.get(self.text)) if self.text else as_text({name: row.get(name) for name in self.names})

    def whole(self, at: int, limit: int) -> DataRowReply:
        """As `TableRows.whole`."""
        with self._lock:
            rows = self._pager.page(at, 1) if at >= 0 else []
        if not rows:
            raise DataError(f"there is no row {at}", where=self._part.label)
        row = rows[0]
        broken = row.get(BROKEN) is not None
        texts = (
            {"cannot be read": str(row[BROKEN])} if broken else {name: as_text(row.get(name)) for name in self.names}
        )
        passage = texts[self.text] if self.text in texts and self.text else "\n".join(texts.values())
        return DataRowReply(at, self.text, self._label(row), fields_of(texts, limit), RowPassage(passage))

    def figures(self) -> DataStatsReply:
        """As `TableRows.figures`, of the first rows; `partial` where there are more."""
        # Its own pager: the panes must not wait while the head of a large file is measured.
        pager = open_pager(self._part)
        rows = [row for row in pager.page(0, _MEASURED) if row.get(BROKEN) is None]
        table = _table(rows, [name for name in (self.text, self.label) if name is not None] or self.names)
        labels = table.column(self.label) if self.label else None
        partial = pager.total is None or pager.known > _MEASURED
        return replace(TableRows(table, self.text, self.label, labels).figures(), partial=partial)


def _table(rows: list[_Record], names: list[str]) -> pa.Table:
    """Every value as text: what a broken file holds may not agree in type."""
    columns = {name: pa.array([as_text(row.get(name)) for row in rows], pa.string()) for name in names}
    return pa.table(columns)
