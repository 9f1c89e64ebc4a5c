"""The state of a run: what its logs say last, and where they are silent, whether anyone still holds its locks."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.rundir import SILENCE, RunDir
from workbench.core.supervisor_record import Record

if TYPE_CHECKING:
    from workbench.registry.database import Connection


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run's state, and since when and why."""

    state: str
    attempt: int = 0
    started: float | None = None
    finished: float | None = None
    reason: str = ""
    host: str = ""


def status_of(connection: Connection, pk: int, run: RunDir, *, alive: bool) -> RunStatus:
    """The newest attempt's end by the supervisor's word, else the trainer's; else what the locks tell.

    `alive` is what the locks said before the logs were read: a run that ends in between has then said so in them.
    """
    first = connection.execute("SELECT min(coalesce(started, seen)) FROM attempt WHERE run=?", (pk,)).fetchone()[0]
    newest = connection.execute(
        "SELECT number, coalesce(started, seen), host, stopping, coalesce(state, trainer_state), "
        "coalesce(finished, trainer_finished), CASE WHEN state IS NULL THEN trainer_reason ELSE reason END "
        "FROM attempt WHERE run=? ORDER BY number DESC LIMIT 1",
        (pk,),
    ).fetchone()
    if newest is None:
        return RunStatus("queued") if alive or run.alive() else _never_begun(run)
    number, started, host, stopping, state, finished, reason = newest
    if state is not None:
        return RunStatus(state, number, first, finished, reason or "", host or "")
    if alive or run.alive() or _elsewhere(run, host):
        state = ("stopping" if stopping else "running") if started else "queued"
        return RunStatus(state, number, first, None, "", host or "")
    last = connection.execute("SELECT max(t) FROM log WHERE run=? AND log < 2", (pk,)).fetchone()[0]
    return RunStatus("lost", number, first, last, _how_lost(run), host or "")


def _never_begun(run: RunDir) -> RunStatus:
    """No attempt has said anything: the run was only made, or whoever was to start its trainer is gone."""
    record = Record.read(run)
    if record is None:
        return RunStatus("created")
    if _elsewhere(run, record.host):
        return RunStatus("queued", record.attempt, None, None, "", record.host)
    why = "its supervisor was killed before it had started the trainer"
    return RunStatus("lost", record.attempt, record.started, record.started, why, record.host)


def _elsewhere(run: RunDir, host: str | None) -> bool:
    """Whether the run belongs to another machine, whose locks may not be visible here, and was lately heard of.

    A container that restarts may come back under another name: a host that stays silent is not believed for ever.
    """
    record = Record.read(run)
    there = record.host if record else host
    return bool(there) and there != os.uname().nodename and time.time() - run.last_sign() < SILENCE


def _how_lost(run: RunDir) -> str:
    record = Record.read(run)
    if record is not None and record.rebooted:
        return "the machine restarted while it ran"
    why = "its supervisor and its trainer are gone and neither said why"
    return f"{why}: the disk with its logs is full" if run.disk_full() else why
