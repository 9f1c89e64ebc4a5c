"""How an attempt ended, in one sentence, from what is known when its trainer is gone."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass, field
from typing import Final

from workbench.contracts.events import EndState, FinishedEvent
from workbench.runs.engines.engine import Exited
from workbench.train import device_faults

DIVERGED: Final = 3
BAD_INPUT: Final = 2

_HOST_MEMORY: Final = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
_OOM_REASON: Final = (
    "the kernel's out-of-memory killer ended it: the machine's memory, or this job's share, ran out; "
    "lower train.workers, train.batch_size or data.max_length"
)
TRACEBACK: Final = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """What is known: how the engine saw it exit, and what the trainer said before.

    `said` is the trainer's own `finished`. `sent` is the last signal of our own stop escalation, `asked` whether it
    was asked to stop at all. `full` says that the disk with its logs takes nothing more.
    """

    exited: Exited
    said: FinishedEvent | None = None
    sent: int | None = None
    asked: bool = False
    full: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last word on an attempt."""

    state: EndState
    reason: str
    exit_code: int | None = None
    signal: int | None = None
    traceback: str | None = field(default=None, repr=False)

    def event(self) -> FinishedEvent:
        """As it is logged."""
        return FinishedEvent(
            state=self.state,
            reason=self.reason,
            exit_code=self.exit_code,
            signal=self.signal,
            traceback=self.traceback or None,
        )


def outcome_of(end: AttemptEnd) -> Outcome:
    """Tells apart: done, our own stop, the kernel's killer, a signal, divergence, bad input, an exception."""
    state, reason, traceback = _classified(end)
    if end.full and end.said is None:
        reason = f"{reason}; the disk with its logs is full (ENOSPC: {os.strerror(errno.ENOSPC)})"
    return Outcome(state, reason, end.exited.code, end.exited.signal, traceback)


def _classified(end: AttemptEnd) -> tuple[EndState, str, str | None]:
    said = end.said
    if said is not None and said.state in ("completed", "stopped"):
        return said.state, _after_all(end, said.reason or said.state), None
    if end.exited.oom_kills > 0 and _struck(end):
        return "killed", _OOM_REASON, _traceback(end) if end.exited.signal is None else None
    if end.exited.signal is not None:
        return _by_signal(end, end.exited.signal)
    if end.exited.code == 0 and not said and end.asked and end.full:
        return "stopped", "asked to stop, and what it said of its end could not be written", None
    if end.exited.code == 0 and not said:
        return "failed", "it exited with 0 and never said that it had finished", _traceback(end)
    return _by_exit(end)


def _struck(end: AttemptEnd) -> bool:
    """Whether the kernel's killer, which struck in our memory cgroup, struck this run and not its neighbour."""
    if end.exited.signal is not None:
        return end.exited.signal == signal.SIGKILL and end.sent != signal.SIGKILL
    return "DataLoader worker" in f"{end.exited.console}{(end.said and end.said.traceback) or ''}"


def _after_all(end: AttemptEnd, reason: str) -> str:
    """The work was done and saved; what went wrong on the way out is still said."""
    if end.exited.signal is not None:
        return f"{reason}; then died of {_name(end.exited.signal)} on the way out"
    if end.exited.code:
        return f"{reason}; then exited with {end.exited.code}"
    return reason


def _by_signal(end: AttemptEnd, number: int) -> tuple[EndState, str, str | None]:
    name = _name(number)
    if end.sent is not None and number in (signal.SIGTERM, signal.SIGKILL):
        lost = "what came after the last checkpoint is lost"
        return "stopped", f"asked to stop and ended by {name} before it had saved: {lost}", None
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT):
        fault, tail = device_faults.sentence(end.exited.console), _tail(end.exited.console)
        if fault is not None:
            return "failed", f"died of {name}, {fault}", tail
        return "killed", f"died of {name}, a crash in native code: see the end of console.log", tail
    return "killed", f"killed by {name}, which workbench did not send", None


def _by_exit(end: AttemptEnd) -> tuple[EndState, str, str | None]:
    reason = end.said.reason if end.said else ""
    traceback = _traceback(end)
    evidence = f"{reason}\n{traceback or end.exited.console}"
    if (fault := device_faults.sentence(evidence, end.exited.console)) is not None:
        return "failed", fault, traceback
    if any(sign in evidence for sign in _HOST_MEMORY):
        return "failed", "out of memory on the machine: lower train.batch_size or data.max_length", traceback
    if end.exited.code == DIVERGED or (end.said is not None and end.said.state == "diverged"):
        return "diverged", reason or "the loss is no longer a number", traceback
    reason = reason or _last_words(end.exited.console) or f"exited with {end.exited.code} and said nothing"
    return "failed", reason, None if end.exited.code == BAD_INPUT else traceback


def _traceback(end: AttemptEnd) -> str | None:
    """The trainer's own, else the last one on the console, else the console's end."""
    if end.said is not None and end.said.traceback:
        return end.said.traceback
    start = end.exited.console.rfind(TRACEBACK)
    return end.exited.console[start:].rstrip() if start >= 0 else _tail(end.exited.console)


def _tail(console: str, lines: int = 30) -> str | None:
    return "\n".join(console.rstrip().splitlines()[-lines:]) or None


def _last_words(console: str) -> str:
    """The exception of the last traceback, else the last line that says something."""
    _, found, after = console.rpartition(TRACEBACK)
    lines = [line for line in after.splitlines() if line.strip()]
    # Frames are indented; the first line that is not is the exception, and a long message may follow.
    unindented = [line for line in lines if not line[0].isspace()]
    words = unindented[0] if found and unindented else (lines[-1].strip() if lines else "")
    return words[:500]


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
