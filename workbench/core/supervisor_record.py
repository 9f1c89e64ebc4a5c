"""`supervisor.json`: who watches which trainer, where, in which attempt. Read by all who ask whether a run lives."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, asdict, dataclass, fields

from workbench.core.processes import Identity, boot_id
from workbench.core.rundir import RunDir, write_atomic


@dataclass(frozen=True, slots=True)
class Record:
    """One attempt's supervisor, and where its engine put the trainer.

    `trainer_pid` is a process of this host, where the engine starts one; `job` is the engine's own name for what it
    was given, where it has one. `engine` and `job` are missing from records written before there were engines.
    """

    pid: int
    start_ticks: int
    boot_id: str
    host: str
    attempt: int
    started: float
    trainer_pid: int | None
    trainer_start_ticks: int | None
    engine: str = "local"
    job: str = ""

    @classmethod
    def read(cls, run: RunDir) -> Record | None:
        """None where no supervisor ever was, or the file is damaged."""
        try:
            found = json.loads(run.supervisor.read_text("utf-8"))
            optional = {field.name: field.default for field in fields(cls) if field.default is not MISSING}
            return cls(**{field.name: (optional | found)[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, run: RunDir) -> None:
        write_atomic(run.supervisor, json.dumps({"v": 1} | asdict(self)) + "\n")

    @property
    def here(self) -> bool:
        """Whether the supervisor is, or was, on this machine."""
        return self.host == os.uname().nodename

    @property
    def rebooted(self) -> bool:
        """Whether this machine is not in the boot that the supervisor ran in."""
        return bool(self.boot_id) and self.boot_id != boot_id()

    @property
    def trainer(self) -> Identity | None:
        """The trainer's process, if it was on this machine; it may be gone."""
        if not self.here or self.trainer_pid is None or self.trainer_start_ticks is None:
            return None
        return Identity(self.trainer_pid, self.trainer_start_ticks, self.boot_id)
