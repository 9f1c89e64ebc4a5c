"""Comma and tab separated values.

Every field is read as a string, and a column becomes whole numbers only if all of it is: a reader that guesses from
the first block breaks on the row that differs, and turns the text "1.50" or "2020-01-01" into something else.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from workbench.data import faults, raw
from workbench.errors import DataError

# No leading zeros and no plus: what is turned into a number can be turned back into the very same text.
_WHOLE = r"^(0|-?[1-9][0-9]{0,17})$"
_NUMERIC_SAMPLE = 1000
_HEADER = 1 << 16  # bytes; a field may be twice as long before `csv` gives up
_TSV_QUOTED = re.compile(rb'(?:(?<=\t)|(?<=\n)|^)"[^\t\n]*')


def read_csv(path: Path) -> pa.Table:
    """The rows of a .csv file, whose first line names the columns. `;`, tab and `|` are recognised in the header.

    Raises DataError with file and line for a ragged row, an open quote, a twice-named column or bytes not UTF-8.
    """
    data = raw.read_bytes(path)
    return _read(path, data, _delimiter(data), quoting=True)


def read_tsv(path: Path) -> pa.Table:
    """The rows of a .tsv file. Quotes are text unless the file was plainly written with quoting.

    The format has none, and texts hold stray quotes; spreadsheets and pandas quote all the same. A file counts as
    quoted where every field that opens with a quote is well formed, and some double their inner quotes or some hold
    a tab or a line feed (which shows as ragged lines).
    """
    data = raw.read_bytes(path)
    if is_quoted_tsv(data):
        return _read(path, data, "\t", quoting=True)
    try:
        return _read(path, data, "\t", quoting=False)
    except DataError:
        if not _TSV_QUOTED.search(data):
            raise
        try:
            return _read(path, data, "\t", quoting=True)
        except DataError:
            pass
        raise


def read(path: Path) -> pa.Table:
    """The rows of a .csv or .tsv file. Raises DataError."""
    return (read_tsv if path.suffix.lower() == ".tsv" else read_csv)(path)


def stream(path: Path, block: int = 1 << 20) -> pacsv.CSVStreamingReader:
    """Batches of rows as strings, a megabyte at a time, from the file's beginning on.

    Raises DataError where the beginning is unusable; iterating raises pyarrow.ArrowInvalid where a later part is.
    """
    try:
        with path.open("rb") as file:
            head = file.read(block).removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise faults.unreadable(path, error) from error
    if not head.strip():
        raise faults.empty(path)
    tsv = path.suffix.lower() == ".tsv"
    delimiter = "\t" if tsv else _delimiter(head)
    quoting = not tsv or is_quoted_tsv(head) or _is_ragged(head)
    names = header(path, head, delimiter, quoting=quoting)
    try:
        return pacsv.open_csv(path, **_options(names, delimiter, quoting, block))
    except pa.ArrowInvalid as error:
        raise _fault(path, path.read_bytes(), len(names), delimiter, quoting, error) from error


def _is_ragged(head: bytes) -> bool:
    """Whether whole lines hold unequal numbers of tabs, which is how quoted tabs and line feeds show."""
    whole = head[: head.rfind(b"\n") + 1].splitlines() or [head]
    return bool(_TSV_QUOTED.search(head)) and len({line.count(b"\t") for line in whole if line}) > 1


def is_quoted_tsv(data: bytes) -> bool:
    """Whether single-line fields are all well-formed quoted ones, with a doubled quote to prove it."""
    fields = [field.rstrip(b"\r") for field in _TSV_QUOTED.findall(data)]
    inner = [field[1:-1] for field in fields if len(field) > 1 and field.endswith(b'"')]
    if len(inner) < len(fields) or any(b'"' in text.replace(b'""', b"") for text in inner):
        return False
    return any(b'""' in text for text in inner)


def _delimiter(data: bytes) -> str:
    header = data.split(b"\n", 1)[0].decode("utf-8", "replace")
    if "," in header:
        return ","
    return next((mark for mark in (";", "\t", "|") if mark in header), ",")


def header(path: Path, data: bytes, delimiter: str, *, quoting: bool) -> list[str]:
    """The column names in the first row of `data`. Raises DataError where they are not UTF-8 or one is there twice."""
    line = re.split(rb"\r\n|\n|\r", data, maxsplit=1)[0]
    if fault := faults.encoding_fault(path, line):
        raise fault
    names = line.decode("utf-8").split(delimiter)
    if quoting:
        start = io.StringIO(data[:_HEADER].decode("utf-8", "replace"), newline="")
        names = next(csv.reader(start, delimiter=delimiter), [])
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(f"the header names column {faults.quoted(twice[0])} twice", where=f"{path}:1")
    return names


def _read(path: Path, data: bytes, delimiter: str, *, quoting: bool) -> pa.Table:
    names = header(path, data, delimiter, quoting=quoting)
    try:
        table = parse(data, names, delimiter, quoting=quoting)
    except pa.ArrowInvalid as error:
        raise _fault(path, data, len(names), delimiter, quoting, error) from error
    if quoting and data.count(b'"') % 2 and (fault := _open_quote(path, data, delimiter)):
        raise fault
    return _with_numbers(table)


def parse(data: bytes, names: list[str], delimiter: str, *, quoting: bool) -> pa.Table:
    """Rows as strings, header included in `data`. Raises pyarrow.ArrowInvalid."""
    block = max(1 << 20, min(len(data), 1 << 30))
    return pacsv.read_csv(pa.BufferReader(data), **_options(names, delimiter, quoting, block))


def _options(names: list[str], delimiter: str, quoting: bool, block: int) -> dict[str, Any]:
    return {
        "read_options": pacsv.ReadOptions(use_threads=False, block_size=block),
        "parse_options": pacsv.ParseOptions(
            delimiter=delimiter, quote_char='"' if quoting else False, newlines_in_values=quoting
        ),
        "convert_options": pacsv.ConvertOptions(
            column_types={name: pa.string() for name in names}, strings_can_be_null=False
        ),
    }


def _with_numbers(table: pa.Table) -> pa.Table:
    for index, name in enumerate(table.column_names):
        column = table.column(index)
        if _whole_numbers(column):
            table = table.set_column(index, name, _as_integers(column))
    return table


def _whole_numbers(column: pa.ChunkedArray) -> bool:
    """Whether every field is a whole number or empty, and one at least is a number."""
    for part in (column.slice(0, _NUMERIC_SAMPLE), column):
        filled = part.filter(pc.not_equal(part, ""))
        if len(filled) and not pc.all(pc.match_substring_regex(filled, _WHOLE)).as_py():
            return False
    return len(filled) > 0


def _as_integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column), pa.int64())


def _fault(path: Path, data: bytes, width: int, delimiter: str, quoting: bool, error: Exception) -> DataError:
    return (
        faults.encoding_fault(path, data)
        or _ragged(path, data, width, delimiter, quoting)
        or (_open_quote(path, data, delimiter) if quoting else None)
        or DataError(faults.quoted(error, 200), where=str(path))
    )


def _ragged(path: Path, data: bytes, width: int, delimiter: str, quoting: bool) -> DataError | None:
    text = io.StringIO(data.decode("utf-8", "replace"), newline="")
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)
    line = 1
    for number, row in enumerate(reader):
        if row and len(row) != width:
            mend = "quote a field that holds the separator" if quoting else "a field cannot hold a tab"
            what = f"row {number} has {len(row)} fields where the header names {width}"
            return DataError(what, where=f"{path}:{line}", mend=mend)
        line = reader.line_num + 1
    return None


def _open_quote(path: Path, data: bytes, delimiter: str) -> DataError | None:
    """The DataError for a quoted field that is never closed, with the line its row begins on."""
    text = io.StringIO(data.decode("utf-8", "replace"), newline="")
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    line = 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            return DataError("a quoted field opens here and is never closed", where=f"{path}:{line}")
    return None
