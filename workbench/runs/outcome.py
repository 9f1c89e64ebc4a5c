"""How an attempt ended, in one sentence, from what is known when its trainer is gone."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field, replace
from typing import Final

from workbench.contracts.events import EndState, FinishedEvent
from workbench.train import device_faults

DIVERGED: Final = 3
BAD_INPUT: Final = 2

_HOST_MEMORY: Final = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
_OOM_REASON: Final = (
    "the kernel's out-of-memory killer ended it: the machine's memory, or this job's share, ran out; "
    "lower train.workers, train.batch_size or data.max_length"
)
_TRACEBACK: Final = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class End:
    """What is known: how the process ended, what the trainer said, what the console and the kernel say.

    Of `exit_code` and `signal` one is None. `said` is the trainer's own `finished`. `oom_kills` is
    how often the kernel's killer struck meanwhile. `sent` is the last signal of our own stop ladder.
    """

    exit_code: int | None
    signal: int | None
    said: FinishedEvent | None = None
    console: str = ""
    oom_kills: int = 0
    sent: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
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


_RANK_PREFIX: Final = re.compile(r"^\[rank\d+\]: ?", re.MULTILINE)
_EXIT_CODE: Final = re.compile(r"^\s*exitcode\s*:\s*(-?\d+)", re.MULTILINE)


def of_rank(end: End) -> End:
    """What the launcher of several ranks reports of the one that failed first, in place of its own exit code of 1."""
    own, _, report = end.console.rpartition(_TRACEBACK)  # the launcher's, and its report: the root cause comes last
    codes = [int(code) for code in _EXIT_CODE.findall(report)] if "ChildFailedError" in report else []
    if not codes:
        return end
    # The others fail for want of the one that was struck, and may be noticed before it; SIGTERM is the launcher's.
    struck = [code for code in codes if code < 0 and code != -signal.SIGTERM]
    code = struck[0] if struck else codes[-1]
    console = _RANK_PREFIX.sub("", own)
    return replace(end, exit_code=code if code >= 0 else None, signal=-code if code < 0 else None, console=console)


def judge(end: End) -> Verdict:
    """Tell apart: done, our own stop, the kernel's killer, a signal, divergence, bad input, an exception."""
    end = of_rank(end)
    state, reason, traceback = _told_apart(end)
    return Verdict(state, reason, end.exit_code, end.signal, traceback)


def _told_apart(end: End) -> tuple[EndState, str, str | None]:
    said = end.said
    if said is not None and said.state in ("completed", "stopped"):
        return said.state, _after_all(end, said.reason or said.state), None
    if end.oom_kills > 0 and _struck(end):
        return "killed", _OOM_REASON, _traceback(end) if end.signal is None else None
    if end.signal is not None:
        return _by_signal(end, end.signal)
    if end.exit_code == 0 and not said:
        return "failed", "it exited with 0 and never said that it had finished", _traceback(end)
    return _by_exit(end)


def _struck(end: End) -> bool:
    """Whether the kernel's killer, which struck in our memory cgroup, struck this run and not its neighbour."""
    if end.signal is not None:
        return end.signal == signal.SIGKILL and end.sent != signal.SIGKILL
    return "DataLoader worker" in f"{end.console}{(end.said and end.said.traceback) or ''}"


def _after_all(end: End, reason: str) -> str:
    """The work was done and saved; what went wrong on the way out is still said."""
    if end.signal is not None:
        return f"{reason}; then died of {_name(end.signal)} on the way out"
    if end.exit_code:
        return f"{reason}; then exited with {end.exit_code}"
    return reason


def _by_signal(end: End, number: int) -> tuple[EndState, str, str | None]:
    name = _name(number)
    if end.sent is not None and number in (signal.SIGTERM, signal.SIGKILL):
        lost = "what came after the last checkpoint is lost"
        return "stopped", f"asked to stop and ended by {name} before it had saved: {lost}", None
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT):
        fault = device_faults.sentence(end.console)
        if fault is not None:
            return "failed", f"died of {name}, {fault}", _tail(end.console)
        return "killed", f"died of {name}, a crash in native code: see the end of console.log", _tail(end.console)
    return "killed", f"killed by {name}, which workbench did not send", None


def _by_exit(end: End) -> tuple[EndState, str, str | None]:
    reason = end.said.reason if end.said else ""
    traceback = _traceback(end)
    evidence = f"{reason}\n{traceback or end.console}"
    if (fault := device_faults.sentence(evidence, end.console)) is not None:
        return "failed", fault, traceback
    if any(sign in evidence for sign in _HOST_MEMORY):
        return "failed", "out of memory on the machine: lower train.batch_size or data.max_length", traceback
    if end.exit_code == DIVERGED or (end.said is not None and end.said.state == "diverged"):
        return "diverged", reason or "the loss is no longer a number", traceback
    reason = reason or _last_words(end.console) or f"exited with {end.exit_code} and said nothing"
    return "failed", reason, None if end.exit_code == BAD_INPUT else traceback


def _traceback(end: End) -> str | None:
    """The trainer's own, else the last one on the console, else the console's end."""
    if end.said is not None and end.said.traceback:
        return end.said.traceback
    start = end.console.rfind(_TRACEBACK)
    return end.console[start:].rstrip() if start >= 0 else _tail(end.console)


def _tail(console: str, lines: int = 30) -> str | None:
    return "\n".join(console.rstrip().splitlines()[-lines:]) or None


def _last_words(console: str) -> str:
    """The exception of the last traceback, else the last line that says something."""
    _, found, after = console.rpartition(_TRACEBACK)
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
