"""A file as a run of blocks of rows, found one after the other as far as someone looks.

A block of lines is a range of bytes and is parsed again for each page, so that next to nothing is held. What cannot be
entered in the middle (a quoted field may hold a line feed, a packed file has no middle) is laid by as it is read, in a
file that has no name and is gone with its pager.
"""

from __future__ import annotations

import functools
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet

from workbench.core.errors import DataError
from workbench.data.formats import columnar, delimited, faults, jsonlines, raw, text_lines
from workbench.data.formats.by_name import Format

BROKEN: Final = "__broken__"  # the key of a line that cannot be read: its fault, said in place of the row
_BLOCK = 1 << 20
_DELIMITED = (_BLOCK, 16 << 20, 512 << 20)  # a row must fit in a block
_STEP = 16_384  # rows of a block of parquet
_HELD = 16 << 20  # bytes of rows that are held in memory before any are laid by


@dataclass(frozen=True)
class Block:
    """Some consecutive rows. `read(offset, limit)` gives those from `offset` on."""

    rows: int
    read: Callable[[int, int], pa.Table]


def of_file(path: Path, format: Format) -> Iterator[Block] | None:
    """The blocks of a file; None where its format has to be read whole. Raises DataError as it is iterated."""
    if format.name in ("csv", "tsv"):
        return _laid_by(delimited_tables(path, tsv=format.name == "tsv", layout=format.layout))
    if format.name == "parquet":
        return _parquet(path)
    if format.name not in _LINED:
        return None
    if raw.is_packed(path):
        return _laid_by(_LINED[format.name].parse(block, number == 0) for number, block in enumerate(raw.blocks(path)))
    return _ranges(path, _LINED[format.name])


# -- lines -----------------------------------------------------------------------------------------------------------


class _Lined(Protocol):
    """A format whose rows are lines. `data` are whole ones, the `first` of the file or others."""

    def count(self, data: bytes, first: bool) -> int: ...

    def parse(self, data: bytes, first: bool) -> pa.Table: ...


def _ranges(path: Path, lined: _Lined) -> Iterator[Block]:
    """Ranges of whole lines, about a megabyte each."""
    with raw.opened(path) as file:
        begin = start = file.tell()
        while chunk := file.read(_BLOCK):
            chunk += file.readline()
            first = start == begin
            if rows := lined.count(chunk, first):
                yield Block(rows, _range(path, start, len(chunk), functools.partial(lined.parse, first=first)))
            start += len(chunk)


def _range(path: Path, start: int, size: int, parse: Callable[[bytes], pa.Table]) -> Callable[[int, int], pa.Table]:
    def read(offset: int, limit: int) -> pa.Table:
        try:
            with path.open("rb") as file:
                file.seek(start)
                data = file.read(size)
        except OSError as error:
            raise faults.unreadable(path, error) from error
        if len(data) < size:
            raise raw.changed(path)
        return parse(data).slice(offset, limit)

    return read


class _Objects:
    """Lines of JSON. A line that cannot be read takes the place of its row."""

    def count(self, data: bytes, first: bool) -> int:
        return jsonlines.LineBlock(Path(), data).rows

    def parse(self, data: bytes, first: bool) -> pa.Table:
        try:
            return jsonlines.LineBlock(Path(), data, 1 if first else 2).table()
        except DataError:
            rows = [_object(line) for line in faults.lines(data) if line.strip()]
            keys = dict.fromkeys(key for row in rows for key in row)
            return pa.table({_encodable(key): _loosely([row.get(key) for row in rows]) for key in keys})


def _object(line: bytes) -> dict[str, Any]:
    try:
        row = jsonlines.load(line, "")
    except DataError as error:
        return {BROKEN: error.what}
    return row if isinstance(row, dict) else {BROKEN: "not an object"}


def _loosely(values: list[Any]) -> pa.Array:
    """A column of whatever it holds: as it is where the types agree, else as text."""
    with suppress(pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError, ValueError, RecursionError):
        return pa.array(values)
    return pa.array([None if value is None else _encodable(_shown(value)) for value in values], pa.string())


def _shown(value: Any) -> str:
    try:
        return str(value)
    except RecursionError:
        return "nested too deeply to be shown"


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


class _Texts:
    """Lines of text. Bytes that are no UTF-8 are shown as what they are: no character."""

    def count(self, data: bytes, first: bool) -> int:
        end = b"\r" if first and text_lines.is_old(data) else b"\n"
        return data.count(end) + (not data.endswith(end))

    def parse(self, data: bytes, first: bool) -> pa.Table:
        return text_lines.parse(data.decode("utf-8", "replace").encode(), old=first and text_lines.is_old(data))


_LINED: Final[dict[str, _Lined]] = {"jsonl": _Objects(), "txt": _Texts()}


# -- what is laid by -------------------------------------------------------------------------------------------------


def _laid_by(tables: Iterable[pa.Table]) -> Iterator[Block]:
    """Each table a block: the first few megabytes as they are, the others in a file of their own."""
    store, held = _Store(), 0
    for table in tables:
        held += table.nbytes
        if table.num_rows:
            yield Block(table.num_rows, table.slice if held <= _HELD else store.put(table))


class _Store:
    """Tables in a file without a name, which is gone when nobody has use for it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the last block that reads of it
        weakref.finalize(self, self._file.close)

    def put(self, table: pa.Table) -> Callable[[int, int], pa.Table]:
        """Lay a table by; what is returned gives rows of it. Raises DataError where there is no room."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        data = sink.getvalue()
        try:
            start = self._file.seek(0, 2)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            what = f"rows cannot be laid by while they are looked at ({error.strerror})"
            raise DataError(what, where=tempfile.gettempdir(), hint="make room there, or set TMPDIR") from error
        return functools.partial(self._get, start, data.size)

    def _get(self, start: int, size: int, offset: int, limit: int) -> pa.Table:
        self._file.seek(start)
        return pa.ipc.open_stream(self._file.read(size)).read_all().slice(offset, limit)


def delimited_tables(path: Path, *, tsv: bool, layout: delimited.Layout | None = None) -> Iterator[pa.Table]:
    """The rows of a .csv or .tsv file as strings, about a megabyte at a time. Raises DataError."""
    form = delimited.form(path, tsv=tsv, layout=layout or delimited.Layout())
    seen = 0
    for size in _DELIMITED:
        skip = seen
        try:
            for batch in delimited.stream(path, form, size):
                table = pa.Table.from_batches([batch.slice(skip)])
                skip = max(0, skip - batch.num_rows)
                seen += table.num_rows
                yield table
            return
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            fault = delimited.look(path, form).fault()
            if fault is not None or not delimited.straddles(error) or size == _DELIMITED[-1]:
                raise fault or DataError(faults.quoted(error, 200), where=str(path)) from error


# -- parquet ---------------------------------------------------------------------------------------------------------


def _parquet(path: Path) -> Iterator[Block]:
    with columnar.parquet(path) as file:
        columnar.check_size(path, file)
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    for number, rows in enumerate(sizes):
        group = _Group(path, number)
        for start in range(0, rows, _STEP):
            yield Block(min(_STEP, rows - start), functools.partial(group.read_from, start))


class _Group:
    """A row group, which is decoded from its beginning on: where one page follows another, from where it stood."""

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._held: pa.RecordBatch | None = None
        self._start = 0  # the first row of the batch that is held

    def read_from(self, start: int, offset: int, limit: int) -> pa.Table:
        """Rows `start` + `offset` and on of the group, at most `limit`. Raises DataError."""
        first, taken, wanted = start + offset, list[pa.RecordBatch](), min(limit, _STEP - offset)
        if self._held is None or first < self._start:
            self._rewind()
        while self._held is not None and wanted > 0:
            inside = first - self._start
            if inside < self._held.num_rows:
                taken.append(self._held.slice(inside, wanted))
                first, wanted = first + taken[-1].num_rows, wanted - taken[-1].num_rows
            if wanted > 0:
                self._advance()
        return pa.Table.from_batches(taken) if taken else pa.table({})

    def _rewind(self) -> None:
        self._batches, self._held, self._start = self._decoded(), None, 0
        self._advance()

    def _advance(self) -> None:
        self._start += self._held.num_rows if self._held is not None else 0
        self._held = next(self._batches, None)

    def _decoded(self) -> Iterator[pa.RecordBatch]:
        with columnar.parquet(self._path) as file:
            for batch in columnar.batches_of(self._path, file, [self._number]):
                yield batch.select(columnar.kept(batch.schema.names))
