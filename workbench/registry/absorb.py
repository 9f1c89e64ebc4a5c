"""One run's directory into the registry: its facts once, its logs from where they were left, its state each time.

Everything that one read finds goes in together with the byte offset it reached, in one transaction: whenever this
process dies, each line has been counted once or not at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.contracts import events
from workbench.core.rundir import RunDir
from workbench.registry import facts as run_facts
from workbench.registry import points, states
from workbench.registry.database import writing
from workbench.registry.keys import Keys
from workbench.registry.logs import LOGS, describe

if TYPE_CHECKING:
    from workbench.registry.database import Connection

Sizes = tuple[int, int, int]

# Ready-made, because a first look asks this of every log of every run.
_TRAINER, _SUPERVISOR, _USER = (os.sep + log.name for log in RunDir(Path()).logs)


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What is known of a run: its state, whether its facts are, and how its logs and locks were when last read.

    `alive` is None where another process read the logs: what the locks said to it may no longer be so.
    """

    state: str
    known: bool
    sizes: Sizes
    alive: bool | None = None


def sizes(run: RunDir) -> Sizes:
    """How long each log is, in bytes; -1 where there is none."""
    base = os.fspath(run.path)
    return _size(base + _TRAINER), _size(base + _SUPERVISOR), _size(base + _USER)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def absorb(connection: Connection, keys: Keys, run: RunDir, *, anew: bool = False) -> Absorbed:
    """Take in what is new of a run. With `anew`, forget it first and read it from the beginning."""
    while True:
        # Locks before lengths before lines: a run that ends meanwhile has said so by the time its log is read.
        alive = run.alive()
        seen = sizes(run)
        try:
            with writing(connection):
                absorbed, more = _absorb_once(connection, keys, run, seen, alive=alive, anew=anew)
        except BaseException:
            keys.forget()
            raise
        if not more:
            return absorbed
        anew = False


def _absorb_once(
    connection: Connection, keys: Keys, run: RunDir, seen: Sizes, *, alive: bool, anew: bool
) -> tuple[Absorbed, bool]:
    pk, known = _row(connection, keys, run, seen, anew=anew)
    changes = connection.total_changes
    more = False
    for number in range(len(LOGS)):
        more |= _read_on(connection, keys, pk, number, run)
    state = _settle(connection, pk, run, alive=alive, changed=connection.total_changes != changes)
    return Absorbed(state, known, seen, alive), more


def _row(connection: Connection, keys: Keys, run: RunDir, seen: Sizes, *, anew: bool) -> tuple[int, bool]:
    """The run's number and whether its facts are known: it is entered, or entered anew, where that is needed."""
    found = connection.execute("SELECT pk, facts FROM run WHERE id=?", (run.id,)).fetchone()
    if found and not anew and not _cut_short(connection, found[0], seen):
        if found[1]:
            return found[0], True
        anew = run.facts.exists()
        if not anew:
            return found[0], False
    if found:
        forget(connection, run.id)
    return _enter(connection, keys, run)


def _cut_short(connection: Connection, pk: int, seen: Sizes) -> bool:
    """Whether a log is shorter than what was read of it: then it is not the log that was read."""
    rows = connection.execute("SELECT log, offset FROM log WHERE run=?", (pk,))
    return any(max(seen[number], 0) < offset for number, offset in rows)


def _enter(connection: Connection, keys: Keys, run: RunDir) -> tuple[int, bool]:
    facts = run_facts.read(run)
    cursor = connection.execute(
        "INSERT INTO run (id, state, created, name, task, model, data, tags, digest, host, reason, facts, change) "
        "VALUES (?,'created',?,?,?,?,?,'[]',?,'','',?,0)",
        (run.id, facts.created, facts.name, facts.task, facts.model, facts.data, facts.digest, facts.known),
    )
    pk = int(cursor.lastrowid or 0)
    connection.execute("INSERT INTO document (run, recipe, notes) VALUES (?,?,'')", (pk, facts.recipe_json))
    describe(connection, pk, facts.tags, facts.notes)
    connection.executemany(
        "INSERT OR REPLACE INTO field (key, run, number, text) VALUES (?,?,?,?)",
        [(keys.id(name), pk, number, text) for name, number, text in facts.fields()],
    )
    connection.executemany("INSERT INTO log (run, log) VALUES (?,?)", [(pk, number) for number in range(len(LOGS))])
    return pk, facts.known


def _read_on(connection: Connection, keys: Keys, pk: int, number: int, run: RunDir) -> bool:
    """Read a log on from its offset. Returns whether there is more of it."""
    offset, newest = connection.execute(
        "SELECT offset, attempt FROM log WHERE run=? AND log=?", (pk, number)
    ).fetchone()
    found = events.read(run.logs[number], offset)
    if found.offset == offset:
        return False
    applier = LOGS[number](connection, pk, keys, newest)
    applier.apply(found.entries())
    connection.execute(
        "UPDATE log SET offset=?, unreadable=unreadable+?, attempt=?, t=nullif(max(coalesce(t,0), ?), 0) "
        "WHERE run=? AND log=?",
        (
            found.offset, applier.unreadable, applier.newest, applier.latest, pk, number,
        ),
    )  # fmt: skip
    return found.more


def _settle(connection: Connection, pk: int, run: RunDir, *, alive: bool, changed: bool) -> str:
    """Set the run's state, and move its clock where anything is news."""
    status = states.status_of(connection, pk, run, alive=alive)
    new = (status.state, status.attempt, status.started, status.finished, status.reason, status.host)
    *old, change = connection.execute(
        "SELECT state, attempt, started, finished, reason, host, change FROM run WHERE pk=?", (pk,)
    ).fetchone()
    if changed or new != tuple(old) or not change:
        connection.execute("UPDATE clock SET change=change+1")
        connection.execute(
            "UPDATE run SET state=?, attempt=?, started=?, finished=?, reason=?, host=?, "
            "updated=(SELECT max(t) FROM log WHERE run=pk AND log<2), change=(SELECT change FROM clock) WHERE pk=?",
            (*new, pk),
        )
    return status.state


def forget(connection: Connection, run_id: str) -> None:
    """Remove a run from the index, within the caller's transaction. Its directory is not touched."""
    found = connection.execute("SELECT pk FROM run WHERE id=?", (run_id,)).fetchone()
    if found is None:
        return
    (pk,) = found
    series = connection.execute("SELECT key FROM summary WHERE run=?", (pk,)).fetchall()
    points.forget(connection, pk, [key for (key,) in series])
    connection.execute("DELETE FROM field WHERE run=? AND key IN (SELECT id FROM key)", (pk,))
    connection.execute("DELETE FROM search WHERE rowid=?", (pk,))
    connection.execute("DELETE FROM run WHERE pk=?", (pk,))
