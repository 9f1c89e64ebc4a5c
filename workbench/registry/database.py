"""The one door to SQLite: how the registry's file is opened, locked, and told to be damaged.

`pysqlite3` carries a newer SQLite than most Pythons (before 3.51.3 a WAL that is reset under load can be corrupted);
where it is not installed the standard library's is used, and the one-writer lock holds that race off.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.core.errors import NotWritable
from workbench.core.rundir import hold_lock

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    try:
        from pysqlite3 import dbapi2 as sqlite
    except ImportError:
        import sqlite3 as sqlite

Connection = sqlite.Connection
DatabaseError = sqlite.DatabaseError
NONSENSE: Final = (UnicodeDecodeError, TypeError, ValueError, KeyError)
"""What reading raises where a value is no longer what was written: SQLite checks its structure, not what it holds."""

SQLITE_VERSION: Final[str] = sqlite.sqlite_version

PATIENCE: Final = 30.0
"""Seconds to wait for another process's short transaction or turn before giving up."""

_WRITER = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA foreign_keys=ON")
_READER = ("PRAGMA query_only=ON",)
_BOTH = (f"PRAGMA busy_timeout={int(PATIENCE * 1000)}", "PRAGMA cache_size=-16000")


def connect(path: Path) -> Connection:
    """The registry's file, opened for writing, made (0600) where there is none. Raises NotWritable, DatabaseError."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    return _prepared(sqlite.connect(path, timeout=PATIENCE, isolation_level=None), _WRITER)


def connect_readonly(path: Path) -> Connection:
    """The same for reading only. Where its directory cannot be written, the file is read as it stands."""
    modes = ["mode=ro"]
    if not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
        # A WAL database needs its -shm beside it even to be read, unless it is promised that nobody writes.
        modes.append("mode=ro&immutable=1")
    for mode in modes:
        connection = sqlite.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=PATIENCE, isolation_level=None)
        try:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            return _prepared(connection, _READER)
        except sqlite.OperationalError as error:
            connection.close()
            problem = str(error)
    raise _unusable(path, problem)


def connect_empty() -> Connection:
    """A registry in memory, for a home that has none and must not be written."""
    return _prepared(sqlite.connect(":memory:", isolation_level=None), ())


def _prepared(connection: Connection, pragmas: tuple[str, ...]) -> Connection:
    try:
        for pragma in (*_BOTH, *pragmas):
            connection.execute(pragma).fetchone()
    except DatabaseError:
        connection.close()
        raise
    return connection


def _unusable(path: Path, why: str) -> NotWritable:
    return NotWritable(
        f"the registry cannot be opened ({why})", where=str(path), hint="choose another home with --home"
    )


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """One short write: BEGIN IMMEDIATE, so that nobody waits in vain for a lock that two hold half of."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # a full disk has made SQLite take everything back by itself
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def turn(lock: Path, *, patience: float = PATIENCE) -> Iterator[bool]:
    """Whether it is our turn to write: one process at a time, for as long as the block lasts."""
    try:
        held = hold_lock(lock, patience=patience)
    except OSError as error:
        raise _unusable(lock, error.strerror or str(error)) from error
    try:
        yield held is not None
    finally:
        if held is not None:
            os.close(held)


def is_damage(error: BaseException) -> bool:
    """Whether the file itself is broken, or what it holds, rather than busy, full or asked nonsense."""
    if isinstance(error, NONSENSE):
        return True
    signs = ("malformed", "not a database", "decode to UTF-8")
    return isinstance(error, DatabaseError) and any(sign in str(error) for sign in signs)


def cannot_write(error: BaseException) -> bool:
    """Whether the file system took no more: it is read-only, another's, or full."""
    signs = ("readonly database", "disk is full", "disk I/O error", "unable to open")
    return isinstance(error, DatabaseError) and any(sign in str(error) for sign in signs)


def copied(path: Path) -> Connection:
    """A database in memory with all that is in the file now. Raises NotWritable or DatabaseError if unreadable."""
    source, copy = connect_readonly(path), connect_empty()
    try:
        source.backup(copy)
    except BaseException:
        copy.close()
        raise
    finally:
        source.close()
    return copy


def set_aside(path: Path, *, now: float | None = None) -> Path:
    """Move a damaged database, and what belongs to it, out of the way. Returns where it is now."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{(number := number + 1)}")
    for suffix in ("", "-wal", "-shm"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            os.replace(source, aside.with_name(aside.name + suffix))
    return aside
