"""Rows that were read before, mapped from the cache as Arrow has them, instead of parsed and held in memory again."""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from workbench.data.cache.token_cache import TokenCache
from workbench.data.cache.token_entry import Arrays, key_of
from workbench.data.cache.word_ids import Places
from workbench.data.formats import faults, raw
from workbench.data.tables import columns

_LARGE: Final = 4_000_000  # bytes of a file: a smaller one is read in the blink of an eye
_ROWS: Final = 65_536  # of one record batch
_HELD: Final = 32_000_000  # bytes of a table that may be held in memory a second time


def kept(path: Path, format: str, read: Callable[[Path], pa.Table], cache: TokenCache | None) -> pa.Table:
    """What `read` makes of a file, found by the file's content where it was read before. Raises DataError."""
    if cache is None or format == "arrow":
        return read(path)
    raw.check(path)
    if path.stat().st_size < _LARGE:
        return read(path)
    before = _state(path)
    key = key_of([], "rows", format, _digest(path))

    def make() -> Iterator[Arrays]:
        table = read(path)
        if _state(path) != before:
            raise raw.changed(path)
        yield from _written(table)

    found = cache.arrays(key, {"holds": "rows", "data": str(path)}, make)
    pa.default_memory_pool().release_unused()  # what the reader held: torch has no use for Arrow's memory
    return pa.ipc.open_stream(pa.py_buffer(found["rows"])).read_all()


def rows(table: pa.Table, places: Places, cache: TokenCache | None) -> pa.Table:
    """The rows at these places, in their order. Of many bytes they go to a file without a name and are mapped.

    The file is in the cache's directory, and gone with the process. (Arrow's own `take` would make a second table in
    memory, and none of more than 2 GiB of strings.)
    """
    if table.nbytes < _HELD or any(pa.types.is_dictionary(field.type) for field in table.schema):
        return table.take(columns.numbers(places))
    try:
        return _unnamed(lambda: _picked(table, places), table.schema, cache)
    except OSError:
        return pa.Table.from_batches(_picked(table, places), table.schema)


def _picked(table: pa.Table, places: Places) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(places), _ROWS):
        some = places[start : start + _ROWS]
        yield pa.record_batch([columns.picked(column, some) for column in table.columns], schema=table.schema)


def _unnamed(batches: Callable[[], Iterator[pa.RecordBatch]], schema: pa.Schema, cache: TokenCache | None) -> pa.Table:
    """Raises OSError where no file can be written."""
    place = None if cache is None else cache.place()
    if place is None:
        return pa.Table.from_batches(batches(), schema)
    with tempfile.TemporaryFile(dir=place) as file:
        with pa.ipc.new_stream(pa.PythonFile(file, mode="w"), schema) as writer:
            for batch in batches():
                writer.write_batch(batch)
        file.flush()
        return pa.ipc.open_stream(pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))).read_all()


def digest(table: pa.Table) -> str:
    """Equal where schema and rows are (and, by how it was read, the batches that they lie in)."""
    hashed = hashlib.blake2b(digest_size=16)
    for piece in _written(table):
        hashed.update(piece["rows"].data if len(piece["rows"]) else b"")
    return hashed.hexdigest()


def _written(table: pa.Table) -> Iterator[Arrays]:
    """The table in Arrow's stream format, a record batch at a time."""
    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema) as writer:
        for batch in table.to_batches(max_chunksize=_ROWS):
            writer.write_batch(batch)
            yield {"rows": sink.taken()}
    yield {"rows": sink.taken()}


class _Sink:
    """A file whose bytes are taken away as they come."""

    closed = False

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: Any) -> int:
        self._data += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closed = True

    def taken(self) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        data, self._data = self._data, bytearray()
        return np.frombuffer(data, np.uint8)


def _digest(path: Path) -> str:
    """Of the file's bytes. Raises DataError."""
    hashed = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(raw.BLOCK):
                hashed.update(block)
    except OSError as error:
        raise faults.unreadable(path, error) from error
    return hashed.hexdigest()


def _state(path: Path) -> tuple[int, int, int]:
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns, state.st_ino
