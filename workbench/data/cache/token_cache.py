"""Tokens that were made before, kept on disk and mapped into memory: `$WORKBENCH_HOME/cache/tokens/<key>/`.

An entry (`token_entry`) is written under another name, synced and renamed; whatever then does not verify is thrown
away and made again. Directories are 0700. Without room, or where nothing can be written, arrays stay in memory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbench.core.errors import BadInput
from workbench.core.rundir import sync
from workbench.data.cache import token_entry
from workbench.data.cache.token_entry import Arrays, NoRoom

LIMIT: Final = "WORKBENCH_CACHE_BYTES"
_MOST: Final = 20_000_000_000
_SHARE: Final = 0.1  # of the disk at most
_FREE: Final = 0.5  # of what is free at most
_DRAFT: Final = ".draft-"
_GONE: Final = ".gone-"
_YOUNG: Final = 60  # seconds
_PATIENCE: Final = 600  # seconds that one waits for another who makes the same


@dataclass(frozen=True)
class Kept:
    """One entry, as `workbench cache ls` shows it. `used` is when it was last opened, unix seconds."""

    key: str
    size: int
    created: float
    used: float
    about: dict[str, Any]


class TokenCache:
    """Arrays by key, the least recently used of them first to go.

    `limit` is how many bytes it may hold (default: `WORKBENCH_CACHE_BYTES`, else the least of 20 GB, a tenth of the
    disk, and half of what is free; 0 keeps nothing). `warn` is told once why nothing is kept.
    """

    def __init__(self, root: Path, *, limit: int | None = None, warn: Callable[[str], None] | None = None) -> None:
        self.root = root
        self._limit = limit if limit is not None else limit_asked()
        self._warn: Callable[[str], None] | None = warn

    def arrays(self, key: str, about: Mapping[str, Any], make: Callable[[], Iterable[Arrays]]) -> Arrays:
        """The arrays kept under `key`, mapped; else those that `make` gives piece by piece, joined, and kept.

        Every piece has the same names; `about` is what a person would know them by. Several processes that ask for the
        same at once make them once. Where they cannot be kept they are made in memory.
        """
        if self._limit == 0:
            return token_entry.joined(make())
        if (there := self.find(key)) is not None:
            return there
        try:
            self._open_root()
            with self._making(key):
                found = self.find(key)
                return self._made(key, about, make()) if found is None else found
        except (OSError, NoRoom) as error:
            self._say(error)
            return token_entry.joined(make())

    def find(self, key: str) -> Arrays | None:
        """The arrays kept under a key, mapped. None where there are none, or what is there does not verify."""
        place = self.root / key
        try:
            found = token_entry.read(place)
            with contextlib.suppress(OSError):  # others' entries, or a disk that is read only, can be used all the same
                os.utime(place / token_entry.FACTS)
            return found
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        if place.exists():
            self._remove(place)
        return None

    def place(self) -> Path | None:
        """A directory for files that are gone with the process; None where nothing is to be written. Raises OSError."""
        if self._limit == 0:
            return None
        self._open_root()
        return self.root

    def kept(self) -> list[Kept]:
        """Every entry, the most recently used first."""
        found = [kept for place in self._places() if (kept := _kept(place)) is not None]
        return sorted(found, key=lambda kept: kept.used, reverse=True)

    def clear(self) -> tuple[int, int]:
        """Throw every entry away. Returns how many there were, and their bytes. Raises OSError."""
        entries, size = 0, 0
        for place in self._places():
            size += _size(place)
            entries += 1
            self._remove(place)
        self._sweep()
        return entries, size

    def _places(self) -> list[Path]:
        try:
            return [path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith(".")]
        except OSError:
            return []

    def _open_root(self) -> None:
        for directory in (self.root.parent, self.root):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def _making(self, key: str) -> Iterator[None]:
        """Held by one process at a time for a key; a lock dies with its holder."""
        fd = os.open(self.root / f".lock-{key[:2]}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _wait_for(fd)
            yield
        finally:
            os.close(fd)

    def _made(self, key: str, about: Mapping[str, Any], made: Iterable[Arrays]) -> Arrays:
        draft = self.root / f"{_DRAFT}{os.getpid()}-{os.urandom(4).hex()}"
        draft.mkdir(mode=0o700)
        try:
            with _held(draft / ".lock"):
                token_entry.write(draft, about, made, key=key, room=self._room())
            with contextlib.suppress(FileExistsError):
                _take_name(draft, self.root / key)
            found = self.find(key)
            if found is None:
                raise OSError(errno.EIO, "what was written cannot be read again", str(self.root / key))
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._evict(key)
        return found

    def _room(self) -> int:
        if self._limit is not None:
            return self._limit
        disk = shutil.disk_usage(self.root)
        return int(min(_MOST, _SHARE * disk.total, _FREE * disk.free + sum(map(_size, self._places()))))

    def _evict(self, besides: str) -> None:
        """Throw away the least recently used entries until the rest fits."""
        self._sweep()
        room = self._room()
        kept = self.kept()
        total = sum(entry.size for entry in kept)
        for entry in reversed(kept):
            if total <= room:
                return
            if entry.key != besides:
                self._remove(self.root / entry.key)
                total -= entry.size

    def _remove(self, place: Path) -> None:
        """Whoever has it mapped keeps it; nobody finds half of it."""
        gone = self.root / f"{_GONE}{os.getpid()}-{os.urandom(4).hex()}"
        with contextlib.suppress(OSError):
            os.rename(place, gone)
            shutil.rmtree(gone, ignore_errors=True)

    def _sweep(self) -> None:
        """Throw away what processes that were killed have left."""
        with contextlib.suppress(OSError):
            for path in self.root.iterdir():
                if path.name.startswith(_GONE) or (path.name.startswith(_DRAFT) and _is_left(path)):
                    shutil.rmtree(path, ignore_errors=True)

    def _say(self, error: Exception) -> None:
        if self._warn is not None:
            why = f"an entry is larger than {LIMIT} allows" if isinstance(error, NoRoom) else _reason(error)
            self._warn(f"{self.root}: tokens are not kept for the next run ({why}); they are made in memory")
            self._warn = None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def limit_asked() -> int | None:
    """What the environment says of the size, None where it says nothing. Raises BadInput."""
    asked = os.environ.get(LIMIT, "").strip()
    if not asked:
        return None
    if not asked.isdecimal():
        raise BadInput(f"{asked!r} is no number of bytes", where=LIMIT, hint=f"write one such as {LIMIT}=20000000000")
    return int(asked)


def _kept(place: Path) -> Kept | None:
    try:
        facts, used = token_entry.facts(place), (place / token_entry.FACTS).stat().st_mtime
        return Kept(place.name, _size(place), facts["created"], used, facts["about"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Kept(place.name, _size(place), 0.0, 0.0, {"damaged": True}) if place.exists() else None


def _size(place: Path) -> int:
    try:
        return sum(path.stat().st_size for path in place.iterdir())
    except OSError:
        return 0


def _wait_for(fd: int) -> None:
    """Take a lock. Without it (its holder is stopped, a file system has none) two make the same; the first is kept."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:
            return


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """A lock file, by which others see that a draft is being written."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _is_left(draft: Path) -> bool:
    """Whether nobody writes a draft any more. One that has just begun may have no lock yet."""
    if time.time() - draft.stat().st_mtime < _YOUNG:
        return False
    try:
        with (draft / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _take_name(draft: Path, place: Path) -> None:
    (draft / ".lock").unlink(missing_ok=True)
    sync(draft)
    try:
        os.rename(draft, place)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise FileExistsError(error.errno, error.strerror, str(place)) from error
        raise
    sync(place.parent)
