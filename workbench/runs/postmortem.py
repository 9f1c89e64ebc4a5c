"""How an attempt ended whose processes were all killed: recorded by the supervisor of the next attempt."""

from __future__ import annotations

from dataclasses import replace

from workbench.contracts.events import EventWriter
from workbench.core.rundir import RunDir
from workbench.core.supervisor_record import Record
from workbench.runs.engines.engine import Gone
from workbench.runs.outcome import Outcome
from workbench.runs.record import Placement, finished, last_sign


def record_lost(run: RunDir, record: Record) -> Outcome | None:
    """Write the missing `finished` of an attempt of which no process lives, at the time it was last heard of.

    None, and nothing is written, where its end is recorded already, by its trainer if the supervisor was killed. The
    caller holds the supervisor's lock.
    """
    if any(finished(log, record.attempt) for log in (run.supervisor_log, run.events)):
        return None
    outcome = Outcome("lost", _why(run))
    log = EventWriter(run.supervisor_log, attempt=record.attempt)
    try:
        log.append(replace(outcome.event(), t=last_sign(run, record)))
        log.sync()
    finally:
        log.close()
    return outcome


def _why(run: RunDir) -> str:
    placement = Placement.read(run)
    if placement is None:
        return "its supervisor was killed before it had started the trainer"
    found = placement.find()
    return found.why if isinstance(found, Gone) else "its supervisor was killed and could not say how it ended"
