"""One trainer, from its start to its end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from types import FrameType
from typing import Any, Final

from workbench.contracts.events import FinishedEvent, StoppingEvent, SystemEvent, WarningEvent
from workbench.runs import record, stop_escalation, stop_request
from workbench.runs.engines.engine import Engine, Exited, Gone, Job, Submitted, Working
from workbench.runs.outcome import AttemptEnd, Outcome, outcome_of
from workbench.runs.sampling import Sampler, StallWatch
from workbench.runs.stop_escalation import Patience, StopEscalation
from workbench.runs.supervisor_log import PatientLog

POLL: Final = 0.2
"""Seconds between looks at the engine and the stop file; the end of a child is seen at once."""


class TrainerWatch:
    """Submits an attempt to its engine and stays until it, and everything it started, has ended."""

    def __init__(self, job: Job, engine: Engine, *, log: PatientLog, patience: Patience) -> None:
        self._job, self._engine, self._run, self._log = job, engine, job.run, log
        self._escalation = StopEscalation(patience)
        self._request: tuple[int, int] | None = None
        self._submitted: Submitted | None = None
        self._terminated = False
        self._wake = _wakeup(self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._terminated = self._terminated or number != signal.SIGCHLD

    def submit(self) -> Submitted:
        """Start the trainer. Raises OSError."""
        self._submitted = self._engine.submit(self._job)
        return self._submitted

    def abandon(self) -> None:
        """End a trainer whose start could not be recorded."""
        if self._submitted is not None:
            self._engine.signal(self._run, self._submitted, signal.SIGKILL)
            self._engine.forget(self._run)

    def until_it_ends(self) -> Outcome:
        """Watch; then end what is left over, and say how it ended."""
        assert self._submitted is not None
        start = time.monotonic()
        system = _System(self._submitted, self._log, start)
        progress = StallWatch(self._run.events, 60 * self._job.launch.stall_minutes, start)
        while isinstance(found := self._engine.find(self._run, self._submitted), Working):
            now = time.monotonic()
            self._look_for_stop(now)
            self._escalate(now, self._submitted)
            if progress.stalled(now):
                text = f"no progress for {self._job.launch.stall_minutes:g} minutes, though the trainer lives"
                self._log.write(WarningEvent(code="stall", text=text))
            system.sample(now)
            self._sleep()
        # What is left over is told to end as well, and may take that for a stop: its word counts only before that.
        said = record.finished(self._run.events, self._job.attempt)
        self._engine.forget(self._run)
        return self._outcome(found, said)

    def _sleep(self) -> None:
        if select.select([self._wake], [], [], POLL)[0]:
            self._wake.recv(4096)

    def _look_for_stop(self, now: float) -> None:
        if self._terminated and not self._run.stop_request.exists():
            with contextlib.suppress(OSError):  # a full disk: tried again in a moment
                stop_request.write(self._run)
        try:
            found = os.stat(self._run.stop_request)
        except OSError:
            return
        if (found.st_mtime_ns, found.st_ino) != self._request:
            self._request = found.st_mtime_ns, found.st_ino
            self._ask(now, hurry=stop_request.wants_now(self._run))

    def _ask(self, now: float, *, hurry: bool) -> None:
        slowest = 0.0 if hurry else stop_escalation.slowest(self._run.events, self._job.attempt)
        if self._escalation.ask(now, now=hurry, slowest=slowest):
            reason = "asked to end now" if hurry else "asked to end after its step"
            self._log.write(StoppingEvent(reason=reason))

    def _escalate(self, now: float, submitted: Submitted) -> None:
        number = self._escalation.due(now)
        if number is not None:
            self._log.write(StoppingEvent(reason=f"not ended yet: sending {number.name}"))
            self._engine.signal(self._run, submitted, number)

    def _outcome(self, found: Exited | Gone, said: FinishedEvent | None) -> Outcome:
        if isinstance(found, Gone):
            return Outcome("lost", found.why)
        asked, full = self._escalation.asked, self._run.disk_full()
        return outcome_of(AttemptEnd(found, said, self._escalation.sent, asked, full))


class _System:
    """Readings of the machine for the log, where the trainer is a process of it."""

    def __init__(self, submitted: Submitted, log: PatientLog, start: float) -> None:
        self._log, self._start, self._due = log, start, start
        process = submitted.process
        self._sampler = Sampler(process.pid, submitted.gpus) if process is not None else None

    def sample(self, now: float) -> None:
        """Log a reading if one is due."""
        if self._sampler is not None and now >= self._due:
            self._log.write(SystemEvent(scalars=self._sampler.read(now)))
            self._due = now + self._sampler.interval(now - self._start)


def _wakeup(handler: Any) -> socket.socket:
    """A socket that becomes readable whenever a child ends or we are asked to end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)
    return ours
