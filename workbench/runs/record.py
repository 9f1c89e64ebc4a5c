"""What is on record of a run's processes: `supervisor.json`, and the ends its logs tell of."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.contracts.events import FinishedEvent, read_all, read_last
from workbench.core.rundir import SILENCE, RunDir, write_atomic
from workbench.runs.identity import Identity, boot_id, carries


@dataclass(frozen=True, slots=True)
class Record:
    """`supervisor.json`: who watches which trainer, on which machine, in which attempt."""

    pid: int
    start_ticks: int
    boot_id: str
    host: str
    attempt: int
    started: float
    trainer_pid: int | None = None
    trainer_start_ticks: int | None = None

    @classmethod
    def read(cls, run: RunDir) -> Record | None:
        """None where no supervisor ever was, or the file is damaged."""
        try:
            fields = json.loads(run.supervisor.read_text("utf-8"))
            return cls(**{name: fields[name] for name in cls.__dataclass_fields__})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, run: RunDir) -> None:
        write_atomic(run.supervisor, json.dumps({"v": 1} | asdict(self)) + "\n")

    @property
    def here(self) -> bool:
        """Whether the processes are, or were, on this machine."""
        return self.host == socket.gethostname()

    @property
    def trainer(self) -> Identity | None:
        """The trainer, if it was on this machine; it may be gone."""
        if not self.here or self.trainer_pid is None or self.trainer_start_ticks is None:
            return None
        return Identity(self.trainer_pid, self.trainer_start_ticks, self.boot_id)

    @property
    def rebooted(self) -> bool:
        """Whether this machine has been started anew since."""
        return self.here and self.boot_id != boot_id()


def orphan(run: RunDir) -> Identity | None:
    """The trainer of a run as long as it lives, told by its pid, start and tags: a lock may not be taken yet."""
    record = Record.read(run)
    trainer = record.trainer if record else None
    return trainer if trainer and trainer.alive() and carries(trainer.pid, run) else None


def in_progress(run: RunDir) -> bool:
    """Whether any process of the run is at work."""
    return run.alive() or orphan(run) is not None or heard_elsewhere(run)


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
