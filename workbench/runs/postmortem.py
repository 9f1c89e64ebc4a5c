"""How an attempt ended that had nobody left to say so: told by the supervisor of the next one."""

from __future__ import annotations

from dataclasses import replace

from workbench.contracts.events import EventWriter
from workbench.core.rundir import RunDir
from workbench.runs.outcome import Verdict
from workbench.runs.record import Record, finished, last_sign


def bury(run: RunDir, record: Record) -> Verdict | None:
    """Write the missing `finished` of an attempt of which no process lives, at the time it was last heard of.

    None, and nothing is written, where its end is told already, by its trainer if the supervisor was killed. The
    caller holds the supervisor's lock.
    """
    if any(finished(log, record.attempt) for log in (run.supervisor_log, run.events)):
        return None
    verdict = Verdict("lost", _why(record))
    log = EventWriter(run.supervisor_log, attempt=record.attempt)
    try:
        log.append(replace(verdict.event(), t=last_sign(run, record)))
        log.sync()
    finally:
        log.close()
    return verdict


def _why(record: Record) -> str:
    if not record.here:
        return f"it ran on {record.host}, which has been silent since"
    if record.rebooted:
        return "the machine was restarted while it ran"
    if record.trainer_pid is None:
        return "its supervisor was killed before it had started the trainer"
    return "both its supervisor and its trainer were killed; neither could say why"
