"""The line of a delimited file that Arrow stumbled over, found by reading it slowly and holding one row at a time."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workbench.core.errors import DataError
from workbench.data.formats import faults, raw

# Characters. An open quote makes one field of the rest of the file, which must not fill the memory.
_FIELD: Final = 1 << 24


def first_rows(start: str, delimiter: str, most: int = 100) -> list[list[str]]:
    """The fields of the first rows that are not empty, those that can be read; the last may be cut, and is left out."""
    csv.field_size_limit(_FIELD)
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(
            itertools.islice(filter(None, csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)), most)
        )
    return rows[:-1] if len(rows) > 1 and not start.endswith(("\n", "\r")) and len(rows) < most else rows


@dataclass(frozen=True)
class Look:
    """A careful look at a file of `width` columns."""

    path: Path
    width: int
    delimiter: str
    quoting: bool
    skipped: int = 0
    named: bool = True

    def fault(self) -> DataError | None:
        """What is wrong, with its line: bytes that are no UTF-8, else the first ragged row or the quote left open."""
        if fault := self._encoding():
            return fault
        ragged, open_quote = self._ragged(), self.open_quote() if self.quoting else None
        # What an open quote swallows is a ragged row too, and the quote is the reason.
        return open_quote if open_quote and (ragged is None or ragged.where == open_quote.where) else ragged

    def _encoding(self) -> DataError | None:
        first = 1
        for block in raw.blocks(self.path):
            if fault := faults.encoding_fault(self.path, block, first):
                return fault
            first += len(faults.lines(block))
        return None

    def _ragged(self) -> DataError | None:
        try:
            for number, (line, row) in enumerate(self._rows(strict=False)):
                if row and len(row) != self.width:
                    return self._wrong_width(number, line, row)
        except _OpenField as error:
            return error.fault
        return None

    def _wrong_width(self, number: int, line: int, row: list[str]) -> DataError:
        hint = "quote a field that holds the separator" if self.quoting else "a field cannot hold a tab"
        number, names = (number, "header names") if self.named else (number + 1, "first row has")
        what = f"row {number} has {len(row)} fields where the {names} {self.width}"
        return DataError(what, where=f"{self.path}:{line}", hint=hint)

    def open_quote(self) -> DataError | None:
        """The DataError for a quoted field that is never closed, with the line its row begins on."""
        try:
            for _ in self._rows(strict=True):
                pass
        except _OpenField as error:
            return error.fault
        return None

    def _rows(self, *, strict: bool) -> Iterator[tuple[int, list[str]]]:
        """Each row and the line it begins on. Raises _OpenField where a quote is; ends at what `csv` cannot read."""
        csv.field_size_limit(_FIELD)
        with raw.opened(self.path) as file:
            text = io.TextIOWrapper(file, "utf-8", "replace", newline="")
            for _ in range(self.skipped):
                text.readline()
            reader = csv.reader(
                text,
                delimiter=self.delimiter,
                quoting=csv.QUOTE_MINIMAL if self.quoting else csv.QUOTE_NONE,
                strict=strict,
            )
            line = 1 + self.skipped
            try:
                for row in reader:
                    yield line, row
                    line = reader.line_num + 1 + self.skipped
            except csv.Error as error:
                if said := _said(str(error)):
                    raise _OpenField(_open_field(said, f"{self.path}:{line}")) from error
            finally:
                text.detach()


def _open_field(what: str, where: str) -> DataError:
    return DataError(what, where=where, hint="close it, or double a quote that is text")


def _said(error: str) -> str | None:
    if "unexpected end" in error:
        return "a quoted field opens here and is never closed"
    if "field larger" in error:
        return f"a field of more than {_FIELD:,} characters begins here: a quote seems never to be closed"
    return None


class _OpenField(Exception):
    """Met while rows are read; `fault` is what to tell."""

    def __init__(self, fault: DataError) -> None:
        self.fault = fault
