"""Follow a run from the command line: one line that moves, then how it ended.

It reads the run's logs directly, so that it needs no registry and shows each point as soon as it is written.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TextIO

from workbench.contracts.events import (
    EvalEvent,
    Event,
    FinishedEvent,
    PlanEvent,
    StartedEvent,
    StepEvent,
    WarningEvent,
    read,
)
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.core.series import format_duration
from workbench.core.text import can_redraw, clean, cut
from workbench.display.figures import figure, not_clearly_better
from workbench.metrics import catalog
from workbench.registry.current import current
from workbench.runs.record import in_progress

_POLL = 0.2  # seconds between looks at the logs
_SCORES = 5  # of an evaluation, in a line
_AFRESH = "\r\x1b[K"
_PLAIN_EVERY = 10.0  # seconds between lines where the output is no terminal


@dataclass
class FollowedRun:
    """What the logs have said so far. Times are wall-clock seconds."""

    step: int = 0
    total: int = 0
    loss: float | None = None
    best: str = ""
    began: float | None = None
    end: FinishedEvent | None = None
    evaluation: EvalEvent | None = None
    _attempt: int = 0
    _first: tuple[int, float] = (0, 0.0)
    _latest: float = 0.0

    def take(self, event: Event, *, from_supervisor: bool) -> None:
        match event:
            case PlanEvent():
                self.total, self.best = event.total_steps or 0, event.best or ""
            case StepEvent():
                self._take_step(event)
            case EvalEvent():
                self.evaluation = event
            case StartedEvent():
                self.began, self.end = event.t, None
            case FinishedEvent() if from_supervisor:
                self.end = event

    def _take_step(self, event: StepEvent) -> None:
        self.step, self._latest = event.step, event.t
        if event.attempt != self._attempt:  # what lies between two attempts was no training
            self._attempt, self._first = event.attempt, (self.step, event.t)
        self.loss = event.scalars.get("train/loss", self.loss)

    def line(self) -> str:
        if not self.step:
            return "starting: loading the model and the data"
        words = [f"step {self.step:,}"]
        if self.total:
            words = [f"{min(100, 100 * self.step // self.total)}%", f"step {self.step:,}/{self.total:,}"]
        if self.loss is not None:
            words.append(f"loss {figure('loss', self.loss)}")
        if self.evaluation is not None:
            words += [f"{self.evaluation.split} {_scores(self.evaluation, self.best, most=2)}"]
        if (left := self._left()) is not None:
            words.append(f"{format_duration(left)} left")
        return "  ".join(words)

    def _left(self) -> float | None:
        """Seconds of the steps that are left, at the pace of this attempt; None where that is not known."""
        step, at = self._first
        if not self.total > self.step > step:
            return None
        return (self._latest - at) / (self.step - step) * (self.total - self.step)


def telling(evaluation: EvalEvent, best: str) -> list[tuple[str, float]]:
    """The scores of an evaluation, what tells most first: the loss, what chooses the checkpoint, other headlines."""
    scores = {catalog.bare(key): value for key, value in evaluation.scalars.items()}
    first = [name for name in ("loss", catalog.bare(best)) if name in scores]
    return [(name, scores[name]) for name in dict.fromkeys([*first, *catalog.headlines(scores)])]


class Logs:
    """The two logs that tell of a run's progress, each read on from where it was left."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._offsets = {run.events: 0, run.supervisor_log: 0}

    def poll(self, progress: FollowedRun) -> list[EvalEvent | WarningEvent]:
        """Take in what is new. Returns the evaluations and warnings among it."""
        told: list[EvalEvent | WarningEvent] = []
        for path, offset in self._offsets.items():
            found = read(path, offset)
            self._offsets[path] = found.offset
            for event in found.events:
                progress.take(event, from_supervisor=path == self._run.supervisor_log)
                if isinstance(event, (EvalEvent, WarningEvent)):
                    told.append(event)
        return told


def follow(home: Home, run: RunDir, *, out: TextIO = sys.stdout, past: bool = True) -> int:
    """Show progress until the run ends. Returns 0 if it completed, else 1. Ctrl-C leaves the run going.

    Without `past`, evaluations and warnings from before this call are not told again.
    """
    progress, logs = FollowedRun(), Logs(run)
    screen = Status(out)
    try:
        if not past:
            logs.poll(progress)
        while progress.end is None:
            for event in logs.poll(progress):
                screen.keep(_told(event, progress.best))
            screen.show(progress.line())
            if progress.end is None and not in_progress(run):
                logs.poll(progress)
                break
            time.sleep(_POLL)
    except KeyboardInterrupt:
        screen.keep(
            f"{run.id} goes on without you: `workbench tail {run.id} -f` follows it, `workbench stop {run.id}` stops it"
        )
        return 130
    except BrokenPipeError:
        return 1  # nobody reads on, and how the run ends is not known yet
    return _conclude(home, run, progress, screen)


def _told(event: EvalEvent | WarningEvent, best: str) -> str:
    """An evaluation or a warning in a line."""
    if isinstance(event, WarningEvent):
        return f"! {event.text or event.code}"
    warned = not_clearly_better(event, best)
    told = f"{event.split} at step {event.step}: {_scores(event, best, most=_SCORES)}"
    return f"{told}  ! {warned}" if warned else told


def _scores(evaluation: EvalEvent, best: str, *, most: int) -> str:
    return "  ".join(f"{name} {figure(name, value)}" for name, value in telling(evaluation, best)[:most])


def _conclude(home: Home, run: RunDir, progress: FollowedRun, screen: Status) -> int:
    with current(home, screen.keep) as registry:
        row = registry.find(run.id)
    reason = f": {row.reason}" if row.reason and row.state != "completed" else ""
    took = ""
    if progress.end is not None and progress.began is not None:
        took = f" in {format_duration(progress.end.t - progress.began)}"
    screen.keep(f"{row.name} ({run.id}) {row.state}{took}{reason}")
    return 0 if row.state == "completed" else 1


class Status:
    """A progress line: rewritten in place on a terminal, else printed now and then."""

    def __init__(self, out: TextIO) -> None:
        self._out, self.on_terminal = out, can_redraw(out)
        self._shown, self._next = "", 0.0

    def show(self, text: str) -> None:
        if text == self._shown or (not self.on_terminal and time.monotonic() < self._next):
            return
        self._shown, self._next = text, time.monotonic() + _PLAIN_EVERY
        if self.on_terminal:
            # A line that fills the last column would begin the next one, and be rewritten there.
            self._out.write(f"{_AFRESH}{cut(clean(text), self._columns() - 1)}")
        else:
            self._out.write(clean(text) + "\n")
        self._out.flush()

    def keep(self, text: str) -> None:
        """A line that stays."""
        self._out.write(f"{_AFRESH if self.on_terminal else ''}{clean(text)}\n")
        if self.on_terminal:  # where it is written anew below
            self._shown = ""
        self._out.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self.on_terminal and self._shown:
            self._out.write(_AFRESH)
            self._out.flush()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns or 80
        except OSError:
            return 80
