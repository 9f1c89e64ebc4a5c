"""A data file as bytes: opened only where it is a file, unpacked within bounds, and read past its byte order mark."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from workbench.core.errors import DataError
from workbench.data.formats import faults

BLOCK: Final = 4 << 20
# Texts pack to a third or a tenth, the most repetitive logs to a hundredth; gzip itself goes down to a thousandth.
RATIO: Final = 200
ROOM: Final = 64 << 20
MOST: Final = 8 << 30


def suffix(path: Path) -> str:
    """The suffix that says what is in the file, in small letters: `.jsonl` of `a.JSONL` and of `a.jsonl.gz`."""
    inner = path.with_suffix("") if is_packed(path) else path
    return inner.suffix.lower()


def is_packed(path: Path) -> bool:
    """Whether the name says that the file is packed with gzip."""
    return path.suffix.lower() == ".gz"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked, without a UTF-8 byte order mark.

    Raises DataError where it is no file, cannot be read, unpacks past its bounds, or changes meanwhile.
    """
    check(path)
    try:
        with path.open("rb") as file:
            before = _state(file)
            yield _past_mark(_unpacked(file, path) if is_packed(path) else file)
            if _state(file) != before:
                raise changed(path)
    except (OSError, EOFError, zlib.error) as error:
        raise faults.unreadable(path, error) from error


def check(path: Path) -> None:
    """Raises DataError where `path` is no file. Opening a pipe that nobody writes to would wait for ever."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise faults.unreadable(path, error) from error
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
        raise DataError(
            f"{kind} where a file belongs", where=str(path), hint="name a file; save what a pipe gives in one"
        )


def changed(path: Path) -> DataError:
    """The DataError for a file that is not what it was when it was opened."""
    return DataError("the file changed while it was read", where=str(path), hint="wait until it is written, and reload")


def _state(file: BinaryIO) -> tuple[int, int]:
    state = os.fstat(file.fileno())
    return state.st_size, state.st_mtime_ns


def _past_mark(file: BinaryIO) -> BinaryIO:
    if file.read(3) != codecs.BOM_UTF8:
        file.seek(0)
    return file


def _unpacked(file: BinaryIO, path: Path) -> BinaryIO:
    # Buffered once more: GzipFile's own `readline` goes round its `read`, and so round the bounds.
    return io.BufferedReader(_Unpacked(file, path), BLOCK)


class _Unpacked(gzip.GzipFile):
    """A gzip file that stops before it fills the memory or the disk."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._path = path
        self._packed = os.fstat(file.fileno()).st_size
        self._most = min(MOST, max(ROOM, RATIO * self._packed))

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes. Raises DataError past the bounds."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(BLOCK), b""))
        data = super().read(size)
        if self.tell() > self._most:
            bounds = f"at most {RATIO} times its size (or {size_of(ROOM)}) and {size_of(MOST)} are read"
            raise overflow(self._path, self._packed, self._most, bounds)
        return data


def overflow(path: Path, packed: int, most: int, bounds: str) -> DataError:
    """The DataError for a packed file of `packed` bytes that unpacks to more than `most`."""
    return DataError(
        f"unpacks to more than {size_of(most)} from {size_of(packed)}; {bounds}",
        where=str(path),
        hint="unpack it yourself if it is what it should be",
    )


def size_of(amount: float) -> str:
    """A number of bytes for a message."""
    for unit in ("bytes", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:.3g} GiB"


def blocks(path: Path, size: int = BLOCK) -> Iterator[bytes]:
    """The file in pieces of whole lines, about `size` bytes each, or longer where a line is. Raises DataError."""
    empty = True
    with opened(path) as file:
        before = _state(file)
        while block := file.read(size):
            block += file.readline()
            if _state(file) != before:  # whoever writes as fast as we read would keep us for ever
                raise changed(path)
            empty = empty and not block.strip()
            yield block
    if empty:
        raise faults.empty(path)


def read_bytes(path: Path) -> bytes:
    """All of the file. Raises DataError where it cannot be read or is empty."""
    with opened(path) as file:
        data = file.read()
    if not data.strip():
        raise faults.empty(path)
    return data
