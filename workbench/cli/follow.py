"""Follow a run from the command line: one line that moves, then how it ended.

It reads the run's logs directly, so that it needs no registry and shows each point as soon as it is written.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

from workbench.cli.output import figure
from workbench.config import Home
from workbench.events import Event, number, read
from workbench.registry import Ingestor, Registry
from workbench.rundir import RunDir
from workbench.series import format_duration
from workbench.text import clean, cut

_POLL = 0.2  # seconds between looks at the logs
_PLAIN_EVERY = 10.0  # seconds between lines where the output is no terminal


@dataclass
class Progress:
    """What the logs have said so far."""

    step: int = 0
    total: int = 0
    loss: float | None = None
    started: float | None = None
    latest: float = 0.0
    end: Event | None = None
    trainer_end: Event | None = None
    evaluations: list[Event] = field(default_factory=list)

    def take(self, event: Event, *, from_supervisor: bool) -> None:
        if event.type == "plan":
            self.total = int(event.fields.get("total_steps") or 0)
        elif event.type == "step":
            self._take_step(event)
        elif event.type == "eval":
            self.evaluations.append(event)
        elif event.type == "started":
            self.end = self.trainer_end = None
        elif event.type == "finished" and from_supervisor:
            self.end = event
        elif event.type == "finished":
            self.trainer_end = event

    def _take_step(self, event: Event) -> None:
        self.step = int(event.fields["step"])
        self.started = self.started or event.t
        self.latest = event.t
        loss = event.fields.get("scalars", {}).get("train/loss")
        self.loss = self.loss if loss is None else number(loss)

    def line(self) -> str:
        if not self.step:
            return "starting: loading the model and the data"
        words = [f"step {self.step:,}/{self.total:,}" if self.total else f"step {self.step:,}"]
        if self.loss is not None:
            words.append(f"loss {figure(self.loss)}")
        words += _short(self.evaluations[-1]) if self.evaluations else []
        if self.total > self.step > 1 and self.started is not None:
            each = (self.latest - self.started) / (self.step - 1)
            words.append(f"{format_duration(each * (self.total - self.step))} left")
        return "  ".join(words)


def _short(evaluation: Event) -> list[str]:
    return [f"{key} {figure(value)}" for key, value in list(evaluation.scalars.items())[:2]]


class Logs:
    """The two logs that tell of a run's progress, each read on from where it was left."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._offsets = {run.events: 0, run.supervisor_log: 0}

    def poll(self, progress: Progress) -> list[Event]:
        """Take in what is new. Returns the evaluations among it."""
        evaluations = []
        for path, offset in self._offsets.items():
            chunk = read(path, offset)
            self._offsets[path] = chunk.offset
            for event in chunk.events:
                progress.take(event, from_supervisor=path == self._run.supervisor_log)
                if event.type == "eval":
                    evaluations.append(event)
        return evaluations


def follow(home: Home, run: RunDir, *, out: TextIO = sys.stdout) -> int:
    """Show progress until the run ends. Returns 0 if it completed, else 1. Ctrl-C leaves the run going."""
    progress, logs = Progress(), Logs(run)
    screen = _Line(out)
    try:
        while progress.end is None:
            for evaluation in logs.poll(progress):
                screen.keep(_evaluation_line(evaluation))
            screen.show(progress.line())
            if progress.end is None and not run.alive():
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


def _evaluation_line(event: Event) -> str:
    split = event.fields.get("split", "validation")
    scalars = "  ".join(f"{key.partition('/')[2]} {figure(value)}" for key, value in list(event.scalars.items())[:6])
    return f"{split} at step {event.fields.get('step')}: {scalars}"


def _conclude(home: Home, run: RunDir, progress: Progress, screen: _Line) -> int:
    Ingestor(home).poll(wait=True)
    with Registry.open(home) as registry:
        row = registry.find(run.id)
    reason = f": {row.reason}" if row.reason and row.state != "completed" else ""
    took = f" in {format_duration(progress.latest - progress.started)}" if progress.started else ""
    screen.keep(f"{row.name} ({run.id}) {row.state}{took}{reason}")
    return 0 if row.state == "completed" else 1


class _Line:
    """A progress line: rewritten in place on a terminal, else printed now and then."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._tty = out, out.isatty()
        self._shown, self._next = "", 0.0

    def show(self, text: str) -> None:
        if text == self._shown or (not self._tty and time.monotonic() < self._next):
            return
        self._shown, self._next = text, time.monotonic() + _PLAIN_EVERY
        if self._tty:
            self._out.write(f"\r\x1b[K{cut(clean(text), 78)}")
        else:
            self._out.write(clean(text) + "\n")
        self._out.flush()

    def keep(self, text: str) -> None:
        """A line that stays."""
        self._out.write(f"{chr(13) + chr(27) + '[K' if self._tty else ''}{clean(text)}\n")
        self._shown = ""
        self._out.flush()
