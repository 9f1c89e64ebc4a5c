"""What an engine is: four verbs, and the values they take and give.

An engine is what a supervisor starts a trainer with. To add one, write a class with these four verbs and give it a
line in `available.ENGINES`; nothing else knows engines by name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from signal import Signals
from typing import Any, Protocol

from workbench.core.processes import Identity
from workbench.core.rundir import RunDir


@dataclass(frozen=True, slots=True)
class LaunchFacts:
    """What `run.json` says of the launch: the recipe's `[launch]`, and whether the trainer may reach the hub."""

    processes: int = 1
    threads: int | None = None
    device: str = "auto"
    stall_minutes: float = 30.0
    env: Mapping[str, str] = field(default_factory=dict)
    download: bool = False

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> LaunchFacts:
        """Read from `run.json`, whose recipe is resolved; what an older one does not say has its default."""
        launch = facts.get("recipe", {}).get("launch", {})
        return cls(
            processes=int(launch.get("processes", 1)),
            threads=launch.get("threads"),
            device=str(launch.get("device", "auto")),
            stall_minutes=float(launch.get("stall_minutes", 30)),
            env={str(name): str(value) for name, value in launch.get("env", {}).items()},
            download=bool(facts.get("download", False)),
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt of a run, as it is handed to an engine.

    `environ` is the supervisor's environment, `accept` names the differences that a resume may have, and `program`
    is the command to run in place of workbench's own trainer.
    """

    run: RunDir
    attempt: int
    launch: LaunchFacts
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    accept: tuple[str, ...] = ()
    program: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Submitted:
    """Where an attempt went: what its engine needs to find it again from any process, after a crash or a reboot.

    `process` is the first process, where the engine starts one on `host`; `job` is the engine's own name for it,
    where it has one. `argv` and `gpus` (its CUDA_VISIBLE_DEVICES) are known to whoever submitted it only.
    """

    host: str
    process: Identity | None = None
    job: str = ""
    argv: tuple[str, ...] = ()
    gpus: str | None = None


@dataclass(frozen=True, slots=True)
class Working:
    """The attempt is at work."""


@dataclass(frozen=True, slots=True)
class Exited:
    """The attempt is over and its exit status is known: of `code` and `signal` one is None.

    `console` is the end of what this attempt wrote. `oom_kills` is how often the kernel's out-of-memory killer struck
    meanwhile, this run or a neighbour.
    """

    code: int | None
    signal: int | None
    console: str = ""
    oom_kills: int = 0


@dataclass(frozen=True, slots=True)
class Gone:
    """The attempt is over and nobody can say how. `why` is what is known, a sentence."""

    why: str


class Engine(Protocol):
    """How a trainer is started, found again, signalled and cleaned up after.

    One that did not submit an attempt itself (the supervisor was killed, the machine restarted) must still find,
    signal and forget it, from the run's directory and what `Submitted` holds.
    """

    def submit(self, job: Job) -> Submitted:
        """Start an attempt, its output on the run's console.log. Raises OSError where it cannot be started."""
        ...

    def find(self, run: RunDir, submitted: Submitted) -> Working | Exited | Gone:
        """What has become of an attempt. Returns at once."""
        ...

    def signal(self, run: RunDir, submitted: Submitted, number: Signals) -> None:
        """Send SIGTERM to whatever answers it with a save, or SIGKILL to everything. Nothing where all have gone."""
        ...

    def forget(self, run: RunDir) -> None:
        """End and release whatever any attempt of the run has left. Returns when it is gone, or after seconds."""
        ...
