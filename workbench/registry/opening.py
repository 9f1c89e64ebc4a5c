"""Opening the registry: made where there is none, brought up to date, and where it is damaged, built again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from workbench.core.errors import BadInput, NotWritable
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.registry import migrations
from workbench.registry.database import (
    DatabaseError,
    cannot_write,
    connect,
    connect_empty,
    connect_readonly,
    copied,
    is_damage,
    set_aside,
    turn,
)

if TYPE_CHECKING:
    from workbench.registry.database import Connection

Identity = tuple[int, int]


def identity(home: Home) -> Identity | None:
    """Which file the registry is now: another one after it has been set aside and rebuilt."""
    try:
        found = os.stat(home.registry)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_for_writing(home: Home, notices: list[str]) -> Connection:
    """The registry, ready. What had to be corrected is added to `notices`. Raises BadInput where it cannot be."""
    home.ensure()
    try:
        return _ready(home)
    except DatabaseError as error:
        if not is_damage(error):
            raise unusable(home, error) from error
    notices.append(repair(home))
    return _ready(home)


def open_for_reading(home: Home) -> Connection:
    """The registry as it stands, or an empty one where there is none. Nothing is written."""
    if not home.registry.exists():
        return _empty()
    try:
        connection = connect_readonly(home.registry)
        migrations.refuse_newer(connection, str(home.registry))
        behind = migrations.version(connection) < migrations.VERSION
    except DatabaseError as error:
        raise unusable(home, error) from error
    if behind:
        connection.close()
        raise BadInput(
            "this registry was made by an older workbench and cannot be brought up to date without writing it",
            where=str(home.registry),
            hint="let its owner open it once",
        )
    return connection


def open_in_memory(home: Home) -> Connection:
    """What the registry knows, in memory, for an ingestor to go on from: nothing where it cannot be read as it is."""
    try:
        connection = copied(home.registry)
        if migrations.version(connection) == migrations.VERSION:
            return connection
        connection.close()
    except (DatabaseError, NotWritable):
        pass  # the logs are the truth
    return _empty()


def _empty() -> Connection:
    connection = connect_empty()
    migrations.create_in_memory(connection)
    return connection


def _ready(home: Home) -> Connection:
    connection = connect(home.registry)
    try:
        migrations.refuse_newer(connection, str(home.registry))
        if migrations.version(connection) < migrations.VERSION:
            with turn(home.ingest_lock) as ours:
                if not ours:
                    raise busy(home)
                if migrations.version(connection) < migrations.VERSION:
                    migrations.migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def repair(home: Home, bad: Identity | None = None) -> str:
    """Set a damaged registry aside and rebuild it from the logs. Returns what was done, for the user.

    Several processes may notice at once: the first rebuilds, the others find another file than the `bad` one, or
    where they have not come to know it, a whole one.
    """
    from workbench.registry.absorb import absorb
    from workbench.registry.keys import Keys

    with turn(home.ingest_lock) as ours:
        if not ours:
            raise busy(home)
        if _is_whole(home) if bad is None else identity(home) != bad:
            return "the registry was damaged; another workbench has rebuilt it from the logs"
        aside = set_aside(home.registry)
        connection = connect(home.registry)
        try:
            migrations.migrate(connection)
            keys = Keys(connection)
            runs = run_ids(home)
            for run_id in runs:
                absorb(connection, keys, RunDir(home.runs / run_id))
        finally:
            connection.close()
    back = "1 run is back from its logs" if len(runs) == 1 else f"{len(runs)} runs are back from their logs"
    return f"the registry was damaged: it is set aside as {aside.name}, and {back}"


def _is_whole(home: Home) -> bool:
    try:
        connection = connect(home.registry)
        try:
            return migrations.version(connection) == migrations.VERSION and _checks_out(connection)
        finally:
            connection.close()
    except DatabaseError:
        return False


def _checks_out(connection: Connection) -> bool:
    return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")


def run_ids(home: Home) -> list[str]:
    """Every run directory's name, oldest first. Names that begin with a dot are runs in the making."""
    try:
        with os.scandir(home.runs) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except FileNotFoundError:
        return []


def busy(home: Home) -> BadInput:
    return BadInput(
        "another workbench has been writing the registry for long", where=str(home.registry), hint="try again"
    )


def unusable(home: Home, error: Exception) -> BadInput:
    """What SQLite refuses (a full disk, a lock, a file that is not its own), in a sentence for the user."""
    hint = (
        "`workbench reindex` rebuilds it from the logs"
        if is_damage(error)
        else "make room or choose another home with --home"
    )
    kind = NotWritable if cannot_write(error) else BadInput
    return kind(f"the registry cannot be used ({error})", where=str(home.registry), hint=hint)
