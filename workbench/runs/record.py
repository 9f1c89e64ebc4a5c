"""What is on record of a run: where its newest attempt was placed, and the ends its logs tell of."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from workbench.contracts.events import FinishedEvent, read_all, read_last
from workbench.core.rundir import SILENCE, RunDir
from workbench.core.supervisor_record import Record
from workbench.runs.engines.available import engine_named
from workbench.runs.engines.engine import Engine, Exited, Gone, Submitted, Working


@dataclass(frozen=True, slots=True)
class Placement:
    """An attempt in the hands of its engine."""

    run: RunDir
    engine: Engine
    submitted: Submitted

    @classmethod
    def read(cls, run: RunDir) -> Placement | None:
        """The newest attempt's, from `supervisor.json`. None where its supervisor never got to submit it."""
        record = Record.read(run)
        if record is None or (record.trainer_pid is None and not record.job):
            return None
        return cls(run, engine_named(record.engine), Submitted(record.host, record.trainer, record.job))

    def find(self) -> Working | Exited | Gone:
        return self.engine.find(self.run, self.submitted)

    def working(self) -> bool:
        return isinstance(self.find(), Working)

    def signal(self, number: signal.Signals) -> None:
        self.engine.signal(self.run, self.submitted, number)


def trainer_at_work(run: RunDir) -> bool:
    """Whether the engine finds the trainer of the newest attempt at work, supervised or not."""
    placement = Placement.read(run)
    return placement is not None and placement.working()


def in_progress(run: RunDir) -> bool:
    """Whether any process of the run is at work."""
    return run.alive() or trainer_at_work(run) or heard_elsewhere(run)


def heard_elsewhere(run: RunDir) -> bool:
    """Whether the run is another machine's, not ended, and lately heard of: its locks may not be seen from here."""
    record = Record.read(run)
    if record is None or record.here:
        return False
    if any(finished(log, record.attempt) for log in (run.supervisor_log, run.events)):
        return False
    return time.time() - last_sign(run, record) < SILENCE


def last_sign(run: RunDir, record: Record) -> float:
    """Wall-clock seconds at which anything of the run was last written."""
    return max(record.started, run.last_sign())


def last_attempt(run: RunDir) -> int:
    """The number of the newest attempt; 0 before the first."""
    record = Record.read(run)
    if record is not None:
        return record.attempt
    return max((event.attempt for event in read_all(run.supervisor_log)), default=0)


def finished(path: Path, attempt: int) -> FinishedEvent | None:
    """The newest `finished` of an attempt in one log."""
    ends = [event for event in read_last(path) if isinstance(event, FinishedEvent) and event.attempt == attempt]
    return ends[-1] if ends else None


def how_it_ended(run: RunDir) -> FinishedEvent | None:
    """The end of the newest attempt: the supervisor's word, else the trainer's own. None while there is none."""
    attempt = last_attempt(run)
    return finished(run.supervisor_log, attempt) or finished(run.events, attempt)
