"""Comma and tab separated values.

Every field is read as a string, and a column becomes whole numbers only if all of it is: a reader that guesses from
the first block breaks on the row that differs, and turns the text "1.50" or "2020-01-01" into something else.
"""

from __future__ import annotations

import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from workbench.core.errors import DataError
from workbench.data.formats import column_faults, csv_faults, faults, raw

# No leading zeros and no plus: what is turned into a number can be turned back into the very same text.
WHOLE: Final = r"^(0|-?[1-9][0-9]{0,17})$"
_NUMERIC_SAMPLE = 1000
_DELIMITER: Final = b"workbench.delimiter"
_HEAD = 1 << 20  # bytes by which a file's form is told
_SAMPLE: Final = 1 << 16  # of them, by which what stands between columns is
_SAID: Final = re.compile(rb'\s*"?sep=([^\r\n"])"?[;,]*[ ]*(?:\r\n|\n|\r)', re.IGNORECASE)  # Excel's first line
# A row must fit in a block. Larger ones are tried when it does not, and no quote was left open.
_BLOCKS: Final = (8 << 20, 256 << 20, (1 << 31) - 1)
_TSV_QUOTED = re.compile(rb'(?:(?<=\t)|(?<=\n)|^)"[^\t\n]*')


@dataclass(frozen=True)
class FileLayout:
    """How a recipe says that files are written: what stands between columns, None where their rows tell; and whether
    the first row names the columns, or else the names."""

    delimiter: str | None = None
    header: bool | tuple[str, ...] = True


@dataclass(frozen=True)
class Dialect:
    """How a file is written: its columns, what stands between them, and whether fields are quoted.

    `header` are the names as the first row has them, None where it has none; `skipped` lines stand before it.
    """

    names: list[str]
    delimiter: str
    quoting: bool
    header: list[str] | None
    skipped: int = 0


def read_csv(path: Path, layout: FileLayout = FileLayout()) -> pa.Table:
    """The rows of a .csv file. `,`, `;`, tab and `|` are told by the rows, or by Excel's line `sep=;`.

    A column that is named twice carries that fault (`column_faults`). Raises DataError with file and line for a ragged
    row, an open quote or bytes not UTF-8.
    """
    return _read(path, form(path, tsv=False, layout=layout))


def read_tsv(path: Path, layout: FileLayout = FileLayout()) -> pa.Table:
    """The rows of a .tsv file. Quotes are text unless the file was plainly written with quoting.

    The format has none, and texts hold stray quotes; spreadsheets and pandas quote all the same. A file counts as
    quoted where every field that opens with a quote is well formed, and some double their inner quotes or some hold
    a tab or a line feed (which shows as ragged lines).
    """
    head = _head(path)
    if not _is_tabbed(head, layout):
        return read_csv(path, layout)
    if is_quoted_tsv(raw.blocks(path)):
        return _read(path, _form(path, head, "\t", layout, quoting=True))
    try:
        return _read(path, _form(path, head, "\t", layout, quoting=False))
    except DataError:
        if not any(_TSV_QUOTED.search(block) for block in raw.blocks(path)):
            raise
        try:
            return _read(path, _form(path, head, "\t", layout, quoting=True))
        except DataError:
            pass
        raise


def form(path: Path, *, tsv: bool, layout: FileLayout = FileLayout()) -> Dialect:
    """As the file's beginning shows it. Raises DataError."""
    head = _head(path)
    if tsv and _is_tabbed(head, layout):
        return _form(path, head, "\t", layout, quoting=is_quoted_tsv(iter([head])) or _is_ragged(head))
    return _form(path, head, layout.delimiter or _delimiter(head), layout, quoting=True)


def _is_tabbed(head: bytes, layout: FileLayout) -> bool:
    """Whether a .tsv file is one; some are written with commas."""
    if layout.delimiter is not None:
        return layout.delimiter == "\t"
    return b"\t" in _lines_of(head)[0] or _delimiter(head) == "\t"


def stream(path: Path, form: Dialect, block: int) -> Iterator[pa.RecordBatch]:
    """Batches of rows as strings, `block` bytes at a time.

    Raises DataError, or pyarrow.ArrowInvalid or UnicodeDecodeError where a part is not as it should be.
    """
    with raw.opened(path) as file, pacsv.open_csv(pa.PythonFile(file, mode="r"), **_options(form, block)) as batches:
        _ = batches.schema.names  # raises where they are no UTF-8
        for batch in batches:
            yield batch.rename_columns(form.names)


def delimiter_of(table: pa.Table) -> str | None:
    """What stood between the columns of the file that a table was read from; None of other formats."""
    found = (table.schema.metadata or {}).get(_DELIMITER)
    return None if found is None else str(found.decode())


def _head(path: Path) -> bytes:
    """The first megabyte, or the first line where that is longer."""
    with raw.opened(path) as file:
        head = file.read(_HEAD)
        if not re.search(rb"[\r\n]", head):
            head += file.readline(_BLOCKS[0])
        if not head.strip() and not any(block.strip() for block in iter(lambda: file.read(_HEAD), b"")):
            raise faults.empty(path)
    return head


def _is_ragged(head: bytes) -> bool:
    """Whether whole lines hold unequal numbers of tabs, which is how quoted tabs and line feeds show."""
    whole = head[: head.rfind(b"\n") + 1].splitlines() or [head]
    return bool(_TSV_QUOTED.search(head)) and len({line.count(b"\t") for line in whole if line}) > 1


def is_quoted_tsv(blocks: Iterator[bytes]) -> bool:
    """Whether single-line fields are all well-formed quoted ones, with a doubled quote to prove it."""
    proven = False
    for match in (match for block in blocks for match in _TSV_QUOTED.finditer(block)):
        quoted = match[0].rstrip(b"\r")
        if len(quoted) < 2 or not quoted.endswith(b'"') or b'"' in quoted[1:-1].replace(b'""', b""):
            return False
        proven = proven or b'""' in quoted[1:-1]
    return proven


def _lines_of(head: bytes) -> list[bytes]:
    return re.split(rb"\r\n|\n|\r", head.lstrip(b"\r\n"), maxsplit=1)


def _delimiter(head: bytes) -> str:
    """As Excel's first line says, else what parts most of the first rows into as many fields as the very first."""
    if said := _SAID.match(head):
        return said[1].decode()
    best, most = ",", (0.0, False)
    for mark in ("\t", ";", "|", ","):  # a comma stands in the names of columns too
        rows = csv_faults.first_rows(head[:_SAMPLE].decode("utf-8", "replace"), mark)
        if rows and len(rows[0]) > 1:
            share = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            score = (share, f"{mark} ".encode() not in _lines_of(head)[0])
            best, most = (mark, score) if score > most else (best, most)
    return best


def _form(path: Path, head: bytes, delimiter: str, layout: FileLayout, *, quoting: bool) -> Dialect:
    """With the names of the columns, of the first row or given. Raises DataError for those not UTF-8, or too few."""
    said = _SAID.match(head)
    start = (head[said.end() :] if said else head).lstrip(b"\r\n")
    line = _lines_of(start)[0]
    if fault := faults.encoding_fault(path, line):
        raise faults.encoding_fault(path, head) or fault
    first = line.decode("utf-8").split(delimiter)
    if quoting:
        first = next(iter(csv_faults.first_rows(start.decode("utf-8", "replace"), delimiter)), first)
    skipped = 1 if said else 0
    if layout.header is True:
        return Dialect(_distinct(first), delimiter, quoting, first, skipped)
    names = [f"column_{number}" for number in range(1, len(first) + 1)] if not layout.header else list(layout.header)
    if len(names) != len(first):
        what = f"the first row has {len(first)} fields, and data.header names {len(names)} columns"
        raise DataError(what, where=f"{path}:{1 + skipped}", hint="name as many, or set data.header = false")
    return Dialect(names, delimiter, quoting, None, skipped)


def _distinct(header: list[str]) -> list[str]:
    """The names of the columns, none twice: spreadsheets write columns without a name after the last."""
    nameless = header.count("") > 1
    names: list[str] = []
    for number, name in enumerate(header, 1):
        name = f"column_{number}" if nameless and not name else name
        names.append(next(one for one in _numbered(name) if one not in names))
    return names


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in itertools.count(2))


def _without_nameless(table: pa.Table, form: Dialect) -> pa.Table:
    """Without the empty columns that spreadsheets write after the last."""
    nameless = {name for name, own in zip(form.names, form.header or form.names, strict=True) if not own}
    return table.drop_columns([name for name in nameless if _is_empty(table.column(name))])


def _is_empty(column: pa.ChunkedArray) -> bool:
    return pa.types.is_string(column.type) and bool(pc.all(pc.equal(column, ""), min_count=0).as_py())


def _twice(path: Path, form: Dialect) -> dict[str, DataError]:
    """The columns that the header names twice."""
    times = Counter(name for name in form.header or () if name)
    return {
        name: DataError(f"the header names column {faults.quoted(name)} twice", where=f"{path}:{1 + form.skipped}")
        for name, count in times.items()
        if count > 1
    }


class _Counted(io.RawIOBase):
    """A file that counts the quotes that are read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.quotes = file, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.quotes += data.count(b'"')
        return data


def look(path: Path, form: Dialect) -> csv_faults.Look:
    """A second, careful look at a file that cannot be read."""
    return csv_faults.Look(
        path, len(form.names), form.delimiter, form.quoting, form.skipped, named=form.header is not None
    )


def straddles(error: Exception) -> bool:
    """Whether it says that a row does not fit in a block."""
    return "straddl" in str(error)


def _read(path: Path, form: Dialect) -> pa.Table:
    looked = look(path, form)
    for block in _BLOCKS:
        try:
            table = _with_numbers(_parsed(path, form, block, looked))
            table = _without_nameless(table, form).replace_schema_metadata({_DELIMITER: form.delimiter})
            return column_faults.marked(table, _twice(path, form))
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            fault = looked.fault()
            if fault is not None or not straddles(error) or block == _BLOCKS[-1]:
                raise fault or DataError(faults.quoted(error, 200), where=str(path)) from error
    raise AssertionError("the last block ends the loop")


def _parsed(path: Path, form: Dialect, block: int, looked: csv_faults.Look) -> pa.Table:
    with raw.opened(path) as file:
        counted = _Counted(file)
        table = pacsv.read_csv(pa.PythonFile(counted, mode="r"), **_options(form, block))
    # A quote that is open at the end swallows the rows after it, and Arrow says nothing.
    if form.quoting and counted.quotes % 2 and (fault := looked.open_quote()):
        raise fault
    return table.rename_columns(form.names)


def _options(form: Dialect, block: int) -> dict[str, Any]:
    return {
        "read_options": pacsv.ReadOptions(
            use_threads=False,
            block_size=block,
            skip_rows=form.skipped,
            column_names=form.names if form.header is None else None,
        ),
        "parse_options": pacsv.ParseOptions(
            delimiter=form.delimiter, quote_char='"' if form.quoting else False, newlines_in_values=form.quoting
        ),
        "convert_options": pacsv.ConvertOptions(
            column_types={name: pa.string() for name in form.header or form.names}, strings_can_be_null=False
        ),
    }


def _with_numbers(table: pa.Table) -> pa.Table:
    columns = [_as_integers(column) if _whole_numbers(column) else column for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _whole_numbers(column: pa.ChunkedArray) -> bool:
    """Whether every field is a whole number or empty, and one at least is a number."""
    if not pa.types.is_string(column.type):
        return False
    for part in (column.slice(0, _NUMERIC_SAMPLE), column):
        filled = part.filter(pc.not_equal(part, ""))
        if len(filled) and not pc.all(pc.match_substring_regex(filled, WHOLE)).as_py():
            return False
    return len(filled) > 0


def _as_integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column), pa.int64())
