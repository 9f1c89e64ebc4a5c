"""The rows of one split as a pane wants them: pages in short, one row whole, what matches, and figures of them all."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workbench.contracts.lab.data_requests import (
    DataPageReply,
    DataRowReply,
    DataStatsReply,
    LengthSpread,
    RowField,
    RowPassage,
    ShortRow,
)
from workbench.core.errors import DataError
from workbench.data.formats import columnar
from workbench.data.formats.text_lines import are_lines
from workbench.data.report import row_report
from workbench.data.tables import columns, roles

SNIPPET = 400
_BINS = 60
_LABELS = 200
_KEPT_FILTERS = 4

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TableRows:
    """A table, and which of its columns are the text and the label. `labels` are the names, one a row."""

    table: pa.Table
    text: str | None
    label: str | None
    labels: pa.ChunkedArray | None
    dropped: int = 0
    passage: Callable[[int], RowPassage] | None = None  # of a recipe's row: what is made into tokens
    reading: Callable[[], pa.ChunkedArray] | None = None  # of a recipe's rows: all that is read of each
    _found: dict[tuple[str, str | None], Positions] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> list[str]:
        """The user's columns, text and label first."""
        first = [name for name in (self.text, self.label) if name is not None]
        return [*first, *(name for name in columns.names(self.table) if name not in first)]

    # -- pages ---------------------------------------------------------------------------------------------------

    def page(self, offset: int, limit: int, search: str, label: str | None) -> DataPageReply:
        """Rows `offset` and on of those that match, each cut to its beginning, and how many match."""
        found = self.matching(search, label)
        total = self.table.num_rows if found is None else len(found)
        stop = min(total, offset + max(0, limit))
        positions = np.arange(offset, max(stop, offset)) if found is None else found[offset:stop]
        return DataPageReply(total, self.table.num_rows, more=False, rows=self._short(positions))

    def _short(self, positions: Positions) -> tuple[ShortRow, ...]:
        at = pa.array(positions, pa.int64())
        texts = pc.fill_null(self._texts.take(at), "")
        snippets = pc.utf8_slice_codeunits(texts, 0, SNIPPET).to_pylist()
        lengths = pc.utf8_length(texts).to_pylist()
        labels = [""] * len(at) if self.labels is None else pc.fill_null(self.labels.take(at), "").to_pylist()
        return tuple(map(ShortRow, positions.tolist(), self._numbers(at), labels, snippets, lengths))

    def _numbers(self, at: pa.Array) -> list[int]:
        if columns.ROW in self.table.column_names:
            return list(self.table.column(columns.ROW).take(at).to_pylist())
        return list(at.to_pylist())

    def whole(self, at: int, limit: int) -> DataRowReply:
        """Every field of the row at `at`, each at most `limit` characters long. Raises DataError."""
        if not 0 <= at < self.table.num_rows:
            raise DataError(f"there is no row {at}", hint=f"the split has {self.table.num_rows}")
        values = self.table.slice(at, 1).to_pylist()[0]
        texts = {name: as_text(values[name]) for name in self.names}
        if self.label is not None and self.labels is not None:
            texts[self.label] = _named(texts[self.label], self.labels[at].as_py())
        (number,) = self._numbers(pa.array([at]))
        label = (self.labels[at].as_py() or "") if self.labels is not None else ""
        return DataRowReply(number, self.text, label, fields_of(texts, limit), self._passage(at, texts))

    def _passage(self, at: int, texts: Mapping[str, str]) -> RowPassage:
        """What is made into tokens; where no recipe says, the text, or every field."""
        if self.passage is not None:
            return self.passage(at)
        return RowPassage("\n".join(texts.values()) if self.text is None else texts[self.text])

    # -- finding -------------------------------------------------------------------------------------------------

    def matching(self, search: str, label: str | None) -> Positions | None:
        """Positions of the rows with `search` in a text column (any case) and with that label; None: every row."""
        if not search and label is None:
            return None
        if (search, label) not in self._found:
            while len(self._found) >= _KEPT_FILTERS:
                self._found.pop(next(iter(self._found)))
            self._found[search, label] = self._match(search, label)
        return self._found[search, label]

    def _match(self, search: str, label: str | None) -> Positions:
        mask = pa.chunked_array([pa.repeat(True, self.table.num_rows)])
        if search:
            mask = pc.and_(mask, self._holding(search))
        if label is not None:
            mask = pc.and_(mask, self._labelled(label))
        return np.flatnonzero(np.asarray(mask)).astype(np.int64)

    def _holding(self, search: str) -> pa.ChunkedArray:
        fields = [field.name for field in self.table.schema if _is_text(field.type)]
        found = pa.chunked_array([pa.repeat(False, self.table.num_rows)])
        for column in [self._texts, *(self.table.column(name) for name in fields if name != self.text)]:
            hit = pc.match_substring(column, search, ignore_case=True)
            found = pc.or_(found, pc.fill_null(hit, False))
        return found

    def _labelled(self, label: str) -> pa.ChunkedArray:
        if self.labels is None:
            raise DataError("the rows have no labels to choose by")
        return pc.fill_null(pc.equal(self.labels, label), False)

    @functools.cached_property
    def _texts(self) -> pa.ChunkedArray:
        """What is shown of each row, as strings: the text, or the whole row where no column is the text."""
        if self.text is None:
            rows = [as_text(row) for row in self.table.select(columns.names(self.table)).to_pylist()]
            return pa.chunked_array([pa.array(rows, pa.string())])
        column = self.table.column(self.text)
        if _is_text(column.type):
            return column
        if (words := joined_words(column)) is not None:
            return words
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
            return pa.chunked_array([pa.array([as_text(value) for value in column.to_pylist()], pa.string())])
        return pc.cast(column, pa.string())

    # -- figures -------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int] | None:
        """Rows of each label, commonest first; rows without one under "". None where there are no labels."""
        if self.labels is None:
            return None
        counted = pc.value_counts(pc.fill_null(self.labels, ""))
        order = np.argsort(-np.asarray(counted.field("counts")), kind="stable")[:_LABELS]
        return {str(pair["values"]): pair["counts"] for pair in counted.take(pa.array(order)).to_pylist()}

    def figures(self) -> DataStatsReply:
        """Rows, dropped, label balance (of the commonest 200), lengths in characters, empty and repeated texts."""
        texts = self._read
        lengths = np.asarray(pc.fill_null(pc.utf8_length(texts), 0), dtype=np.int64)
        return DataStatsReply(
            rows=self.table.num_rows,
            dropped=self.dropped,
            labels=self.counts(),
            kinds=pc.count_distinct(self.labels).as_py() if self.labels is not None else 0,
            lengths=_spread(lengths),
            empty=row_report.empty(texts),
            repeated=0 if are_lines(self.table) else row_report.repeated(texts),
        )

    def shared_with(self, other: TableRows) -> int:
        """How many of these rows have a text that is in `other` too."""
        return 0 if are_lines(self.table) else row_report.shared(self._read, other._read)

    @functools.cached_property
    def _read(self) -> pa.ChunkedArray:
        """All that is read of each row: where it is a question and a context, both."""
        return self._texts if self.reading is None else self.reading()


def _spread(lengths: Positions) -> LengthSpread:
    """A histogram up to the 99th percentile, and how many lie beyond it."""
    if not len(lengths):
        return LengthSpread((), top=0, beyond=0, median=0, p95=0, max=0)
    median, p95, p99 = (int(value) for value in np.percentile(lengths, (50, 95, 99)))
    top = max(1, p99)
    bins, _ = np.histogram(lengths, bins=min(_BINS, top), range=(0, top))
    beyond = int((lengths > top).sum())
    return LengthSpread(tuple(bins.tolist()), top, beyond, median, p95, int(lengths.max()))


def fields_of(texts: Mapping[str, str], limit: int) -> tuple[RowField, ...]:
    """The columns of a row, each cut at so many characters."""
    return tuple(RowField(name, text[:limit], len(text)) for name, text in texts.items())


def label_names(table: pa.Table, label: str | None) -> pa.ChunkedArray | None:
    """Each row's label by name, whatever the column holds; None where it holds no single labels."""
    if label is None:
        return None
    column = table.column(label)
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return None
    names = columnar.class_names(table.schema, label)
    if names is not None and pa.types.is_integer(column.type):
        known = pc.and_(pc.greater_equal(column, 0), pc.less(column, len(names)))
        return pa.array(names, pa.string()).take(pc.if_else(known, column, None).combine_chunks())
    return pc.cast(column, pa.string())


def recognise(table: pa.Table) -> tuple[str | None, str | None]:
    """Text and label of rows that no recipe speaks of: by their usual names, else the first strings; or None."""
    label = next(iter(columns.recognised(table, roles.LABEL_NAMES, texts=False)), None)
    besides = [label] if label else []
    strings = (field.name for field in table.schema if _is_text(field.type) and field.name not in besides)
    return columns.text_column(table, besides=besides) or next(strings, None), label


def as_text(value: object) -> str:
    """A value of any column as it is shown: strings as they are, the rest as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str)


def _named(value: str, name: str | None) -> str:
    return value if name is None or name == value else f"{value} ({name})"


def _is_text(type: pa.DataType) -> bool:
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type))


def joined_words(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """A column of lists of words as strings, spaces between them; None for any other column."""
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_string(kind.value_type):
        return None
    return pc.binary_join(column, " ")
