"""Pages of a split without reading it all: the first is there at once, however large the file.

A file is a run of blocks, found as far as someone looks. A block of lines is a range of bytes and is parsed again for
each page, so that a pager holds next to nothing; only delimited files, which cannot be entered in the middle (a
quoted field may hold a line feed), keep what was read of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from workbench.data import delimited, faults, jsonlines, lines
from workbench.data.sources import Part
from workbench.errors import DataError

BROKEN = "__broken__"  # the key of a line that cannot be read: its fault, said in place of the row
_BLOCK = 1 << 20
_BATCH = 2048

Row = dict[str, Any]


@dataclass(frozen=True)
class Block:
    """Some consecutive rows. `read(offset, limit)` gives those from `offset` on."""

    rows: int
    read: Callable[[int, int], pa.Table]


@dataclass
class _Search:
    """Rows found so far, and how many blocks were looked through for them."""

    found: list[int] = field(default_factory=list)
    blocks: int = 0


class Pager:
    """Rows of one split in pages. Not safe from several threads at once."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._source = iter(blocks)
        self._blocks: list[Block] = []
        self._starts: list[int] = [0]
        self._done = False
        self._searches: dict[tuple[str, str, str], _Search] = {}

    @property
    def known(self) -> int:
        """Rows found so far."""
        return self._starts[-1]

    @property
    def total(self) -> int | None:
        """Rows in all; None while the end has not been seen. `count` goes and looks."""
        return self.known if self._done else None

    def count(self) -> int:
        """Rows in all; finds every block. Raises DataError."""
        while self._find():
            pass
        return self.known

    def page(self, offset: int, limit: int) -> list[Row]:
        """Rows `offset` (from 0) and on, at most `limit`; fewer at the end. A broken line is `{BROKEN: fault}`."""
        while self.known < offset + limit and self._find():
            pass
        rows: list[Row] = []
        for block, start in zip(self._blocks, self._starts, strict=False):
            inside = offset + len(rows) - start
            if 0 <= inside < block.rows and len(rows) < limit:
                rows += block.read(inside, limit - len(rows)).to_pylist()
        return rows

    def search(
        self, offset: int, limit: int, contains: str = "", *, column: str = "", value: str = ""
    ) -> list[tuple[int, Row]]:
        """Rows, with their numbers, that hold `contains` in a column of strings (any case) and whose `column` is
        `value` as text: of those found the ones from `offset` on. Looks no further than it must."""
        state = self._searches.setdefault((contains, column, value), _Search())
        while len(state.found) < offset + limit:
            if state.blocks == len(self._blocks) and not self._find():
                break
            block, start = self._blocks[state.blocks], self._starts[state.blocks]
            mask = _matching(block.read(0, block.rows), contains, column, value)
            state.found += (np.flatnonzero(mask) + start).tolist()
            state.blocks += 1
        return self._at(state.found[offset : offset + limit])

    def _at(self, numbers: list[int]) -> list[tuple[int, Row]]:
        """The rows of those numbers, which rise; each block is read once."""
        rows: list[tuple[int, Row]] = []
        for block, start in zip(self._blocks, self._starts, strict=False):
            inside = [number - start for number in numbers if 0 <= number - start < block.rows]
            if inside:
                table = block.read(inside[0], inside[-1] - inside[0] + 1)
                picked = table.take(pa.array([place - inside[0] for place in inside]))
                rows += zip([start + place for place in inside], picked.to_pylist(), strict=True)
        return rows

    def found(self, contains: str = "", *, column: str = "", value: str = "") -> tuple[int, bool]:
        """How many rows a search has found so far, and whether it has looked through all."""
        state = self._searches.get((contains, column, value), _Search())
        return len(state.found), self._done and state.blocks == len(self._blocks)

    def _find(self) -> bool:
        block = next(self._source, None)
        if block is None:
            self._done = True
            return False
        self._blocks.append(block)
        self._starts.append(self._starts[-1] + block.rows)
        return True


def open_pager(part: Part) -> Pager:
    """Pages of one split of a source. Raises DataError, now or when the place of a fault is reached."""
    if part.files and all(path.suffix.lower() in _OPENERS for path in part.files):
        return Pager(block for path in part.files for block in _OPENERS[path.suffix.lower()](path))
    return Pager(_whole(part))


def _whole(part: Part) -> Iterator[Block]:
    table = part.table()
    yield Block(table.num_rows, table.slice)


def _matching(table: pa.Table, contains: str, column: str, value: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = np.ones(table.num_rows, dtype=bool)
    if contains:
        hits = np.zeros(table.num_rows, dtype=bool)
        for name in table.column_names:
            if pa.types.is_string(table.schema.field(name).type):
                held = pc.match_substring(table.column(name), contains, ignore_case=True)
                hits |= np.asarray(pc.fill_null(held, False))
        mask &= hits
    if column:
        if column not in table.column_names:
            return np.zeros(table.num_rows, dtype=bool)
        mask &= np.asarray(pc.fill_null(pc.equal(pc.cast(table.column(column), pa.string()), value), False))
    return mask


def _line_blocks(path: Path, parse: Callable[[bytes], pa.Table], count: Callable[[bytes], int]) -> Iterator[Block]:
    """Ranges of whole lines, about a megabyte each."""
    try:
        with path.open("rb") as file:
            start = 3 if file.read(3) == b"\xef\xbb\xbf" else 0
            file.seek(start)
            while chunk := file.read(_BLOCK):
                chunk += file.readline()
                rows = count(chunk)
                if rows:
                    yield Block(rows, _range(path, start, len(chunk), parse))
                start += len(chunk)
    except OSError as error:
        raise faults.unreadable(path, error) from error


def _range(path: Path, start: int, size: int, parse: Callable[[bytes], pa.Table]) -> Callable[[int, int], pa.Table]:
    def read(offset: int, limit: int) -> pa.Table:
        with path.open("rb") as file:
            file.seek(start)
            return parse(file.read(size)).slice(offset, limit)

    return read


def _jsonl(path: Path) -> Iterator[Block]:
    return _line_blocks(path, _objects, lambda chunk: sum(1 for line in chunk.split(b"\n") if line.strip()))


def _objects(data: bytes) -> pa.Table:
    """Like `jsonlines.parse`, but a line that cannot be read takes the place of its row."""
    try:
        return jsonlines.Block(Path(), data).table()
    except DataError:
        rows = [_object(line) for line in faults.lines(data) if line.strip()]
        keys = dict.fromkeys(key for row in rows for key in row)
        return pa.table({key: _loosely([row.get(key) for row in rows]) for key in keys})


def _object(line: bytes) -> Row:
    try:
        row = jsonlines.load(line, "")
    except DataError as error:
        return {BROKEN: error.what}
    return row if isinstance(row, dict) else {BROKEN: "not an object"}


def _loosely(values: list[Any]) -> pa.Array:
    """A column of whatever it holds: as it is where the types agree, else as text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError, OverflowError):
        texts = [None if value is None else str(value).encode("utf-8", "replace").decode() for value in values]
        return pa.array(texts, pa.string())


def _txt(path: Path) -> Iterator[Block]:
    def parse(data: bytes) -> pa.Table:
        return lines.parse(data.decode("utf-8", "replace").encode())

    return _line_blocks(path, parse, lambda chunk: chunk.count(b"\n") + (not chunk.endswith(b"\n")))


def _delimited(path: Path) -> Iterator[Block]:
    try:
        with delimited.stream(path) as batches:
            for batch in batches:
                table = pa.Table.from_batches([batch])
                if table.num_rows:
                    yield Block(table.num_rows, table.slice)
    except pa.ArrowInvalid:
        delimited.read(path)  # says where the fault is
        raise


def _parquet(path: Path) -> Iterator[Block]:
    try:
        file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"cannot be read as parquet ({faults.quoted(error, 120)})", where=str(path)) from error
    for group in range(file.num_row_groups):
        yield Block(file.metadata.row_group(group).num_rows, _group(file, group))


def _group(file: Any, group: int) -> Callable[[int, int], pa.Table]:
    def read(offset: int, limit: int) -> pa.Table:
        taken: list[pa.RecordBatch] = []
        seen = 0
        for batch in file.iter_batches(batch_size=_BATCH, row_groups=[group]):
            if seen + batch.num_rows > offset:
                taken.append(batch)
            seen += batch.num_rows
            if seen >= offset + limit:
                break
        first = seen - sum(batch.num_rows for batch in taken)
        return pa.Table.from_batches(taken).slice(offset - first, limit)

    return read


_OPENERS: dict[str, Callable[[Path], Iterator[Block]]] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".txt": _txt,
    ".csv": _delimited,
    ".tsv": _delimited,
    ".parquet": _parquet,
}
