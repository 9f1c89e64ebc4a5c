"""One entry of the token cache: arrays as files, mapped where they are read, and the key it is found by.

An entry is a directory with an `entry.json` and one raw file for each array. Its key is the digest of all that the
arrays are made of (texts, tokenizer, settings, and the code that makes them), so that what changed is never served.
Files are 0600.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.data.cache.word_ids import pieces

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Arrays = dict[str, NDArray[Any]]

FACTS: Final = "entry.json"
_VERSION: Final = 1
_EDGE: Final = 1 << 16  # bytes at either end of a file that are checked when it is opened


class NoRoom(Exception):
    """The entry would be larger than the whole cache may be."""


def joined(made: Iterable[Arrays]) -> Arrays:
    """Pieces of arrays, made one of each name."""
    parts: dict[str, list[NDArray[Any]]] = {}
    for piece in made:
        for name, values in piece.items():
            parts.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def key_of(texts: Iterable[pa.ChunkedArray], *settings: Any) -> str:
    """32 hex digits, equal where the texts are, the settings (of plain JSON types), and our own code."""
    whole = hashlib.blake2b(digest_size=16)
    whole.update(json.dumps([_VERSION, _code(), settings], sort_keys=True).encode())
    for column in texts:
        lengths, data = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
        for (part,) in pieces(column):
            offsets = np.frombuffer(part.buffers()[1], np.int32)[part.offset : part.offset + len(part) + 1]
            lengths.update(np.diff(offsets).tobytes())
            lengths.update(np.asarray(part.is_null().to_numpy(zero_copy_only=False)).tobytes())
            if part.buffers()[2] is not None:
                data.update(memoryview(part.buffers()[2])[int(offsets[0]) : int(offsets[-1])])
        whole.update(lengths.digest() + data.digest())
    return whole.hexdigest()


def tokenizer_digest(tokenizer: Tokenizer) -> str:
    """Equal where a `tokenizers.Tokenizer` makes the same of a text that is neither cut nor padded."""
    import tokenizers

    copy: Tokenizer = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    said = [copy.to_str(), tokenizer.encode_special_tokens, tokenizers.__version__]
    return hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()


@functools.cache
def _code() -> str:
    """A digest of the code that reads rows and makes tokens: what it made before it changed is not served."""
    package = Path(__file__).resolve().parents[2]
    hashed = hashlib.blake2b(digest_size=16)
    for path in sorted([*package.glob("data/**/*.py"), *package.glob("tasks/**/*.py")]):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def write(place: Path, about: Mapping[str, Any], made: Iterable[Arrays], *, key: str, room: int) -> None:
    """Fill a directory with the arrays, piece by piece. Raises OSError, and NoRoom for more than `room` bytes."""
    files: dict[str, GrowingFile] = {}
    try:
        for piece in made:
            for name, values in piece.items():
                if name not in files:
                    files[name] = GrowingFile(place / f"{name}.bin", values.dtype, values.shape[1:])
                files[name].append(values)
            if sum(file.size for file in files.values()) > room:
                raise NoRoom
        arrays = {name: file.sealed() for name, file in files.items()}
    finally:
        for file in files.values():
            file.close()
    body = {"version": _VERSION, "key": key, "created": time.time(), "about": dict(about), "arrays": arrays}
    _write(place / FACTS, json.dumps(body | {"sum": _sum(body)}).encode())


def read(place: Path) -> Arrays:
    """The arrays of an entry, mapped. Raises OSError; ValueError, KeyError, TypeError or AttributeError where it is not
    what was written."""
    return {name: _mapped(place, name, described) for name, described in facts(place)["arrays"].items()}


def facts(place: Path) -> dict[str, Any]:
    """What is said of an entry: `key`, `created`, `about` and `arrays`. Raises as `read` does."""
    found: dict[str, Any] = json.loads((place / FACTS).read_bytes())
    told = found.pop("sum")
    if told != _sum(found) or found["version"] != _VERSION or found["key"] != place.name:
        raise ValueError(f"{place} is not what was written")
    return found


def _sum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


class GrowingFile:
    """A raw file that an array is written to, part by part."""

    def __init__(self, path: Path, dtype: np.dtype[Any], inner: tuple[int, ...]) -> None:
        self._path, self._dtype, self._inner = path, dtype, inner
        self._file: BinaryIO = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")  # noqa: SIM115
        self.size = self._rows = 0

    def append(self, values: NDArray[Any]) -> None:
        if values.dtype != self._dtype or values.shape[1:] != self._inner:
            raise ValueError(f"{self._path.name}: parts of different types")
        self._file.write(np.ascontiguousarray(values).data if values.size else b"")
        self.size += values.nbytes
        self._rows += len(values)

    def sealed(self) -> dict[str, Any]:
        """Sync it, and describe it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        shape = [self._rows, *self._inner]
        return {"dtype": self._dtype.str, "shape": shape, "size": self.size, "edges": _edges(self._path, self.size)}

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


def _edges(path: Path, size: int) -> int:
    """CRC-32 of the first and last bytes of a file."""
    with path.open("rb") as file:
        found = zlib.crc32(file.read(_EDGE))
        file.seek(max(0, size - _EDGE))
        return zlib.crc32(file.read(_EDGE), found)


def _mapped(place: Path, name: str, described: Mapping[str, Any]) -> NDArray[Any]:
    """Raises OSError, or ValueError where the file is not what was written."""
    path, dtype, shape = place / f"{name}.bin", np.dtype(described["dtype"]), tuple(described["shape"])
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if not path.stat().st_size == described["size"] == size or _edges(path, size) != described["edges"]:
        raise ValueError(f"{path} is not what was written")
    if not size:
        return np.zeros(shape, dtype)
    # A plain array over the map: those of numpy.memmap's own class take longer to slice.
    return np.asarray(np.memmap(path, dtype, "r", shape=shape))


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
