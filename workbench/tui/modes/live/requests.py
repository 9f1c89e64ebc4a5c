"""What Live is told about a run: its series as far as a chart can show them, its progress, its console, its end."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.contracts.events import WORKING_STATES, FinishedEvent, PlanEvent, WarningEvent
from workbench.core.errors import UnknownRun
from workbench.core.rundir import RunDir
from workbench.core.text import clean, cut
from workbench.metrics import catalog
from workbench.tui.modes.live import news
from workbench.tui.run_news import RunNews
from workbench.tui.widgets.chart import limit

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow
    from workbench.registry.store import Registry

MOST_RUNS = 8
"""Runs that one chart overlays; more than that cannot be told apart."""

LOSS, RATE, NORM = "train/loss", "train/learning_rate", "train/grad_norm"
TOKENS = "train/tokens"
"""Tokens seen so far: what throughput and the x axis by tokens come from."""
_SYSTEM: Final = "system/"
_NEWS: Final = 8
_TAIL_BYTES = 16_384
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


@dataclass(frozen=True, slots=True)
class Curve:
    """A series of one run. `points` are (step, value), finite, beside their `times` in seconds since 1970."""

    key: str
    points: tuple[tuple[int, float], ...]
    times: tuple[float, ...]
    total: int
    hidden: int
    nonfinite: int


@dataclass(frozen=True, slots=True)
class Track:
    """A run as the charts see it."""

    run: RunRow
    curves: tuple[Curve, ...]
    steps_per_epoch: float | None

    def curve(self, key: str) -> Curve | None:
        return next((curve for curve in self.curves if curve.key == key), None)


@dataclass(frozen=True, slots=True)
class Warning_:
    """A warning in the log. `count` is how often it was met."""

    step: int | None
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How the newest attempt ended."""

    state: str
    reason: str
    traceback: str


@dataclass(frozen=True, slots=True)
class LiveBody:
    """Everything on the pane. `tracks[0]` is the run itself, the others are the marked ones."""

    tracks: tuple[Track, ...]
    left_out: int
    window: tuple[int, int]
    warnings: tuple[Warning_, ...]
    end: RunEnd | None
    console: tuple[str, ...]
    trained: str = ""  # what of the model learns, where
    journal: tuple[str, ...] = ()  # what has happened last, oldest first
    news: RunNews = field(default_factory=RunNews)

    @property
    def run(self) -> RunRow:
        return self.tracks[0].run


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """`run` with the `marked` ones over it, `columns` wide, in a window of steps (None: all there are).

    With `follow` the window is as many steps wide and ends with the newest. `kept` are series read before.
    """

    runs_dir: Path
    run: str
    marked: tuple[str, ...]
    columns: int
    window: tuple[int, int] | None
    follow: int | None = None
    kept: dict[tuple[str, str], tuple[object, Curve]] = field(default_factory=dict, compare=False, repr=False)

    def pulse(self) -> object:
        """The console grows without the registry's knowing."""
        try:
            found = RunDir(self.runs_dir / self.run).console.stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns

    def read(self, registry: Registry) -> LiveBody:
        others = [id for id in self.marked if id != self.run]
        rows = [registry.find(self.run, include_deleted=True)]
        rows += [row for id in others[: MOST_RUNS - 1] if (row := _found(registry, id)) is not None]
        window = self._window_of(rows)
        return LiveBody(
            tuple(self._track(registry, row, window, alone=not others) for row in rows),
            max(0, len(others) - MOST_RUNS + 1),
            window,
            _warnings(registry, self.run),
            _end(registry, self.run),
            tail(RunDir(self.runs_dir / self.run).console),
            "".join(
                news.trained(event)
                for event in registry.events(self.run, ["plan"], newest=1)
                if isinstance(event, PlanEvent)
            ),
            tuple(
                line
                for event in registry.events(self.run, news.TYPES, newest=_NEWS)
                if (line := news.told(event, rows[0].best_key))
            ),
            RunNews.of(registry, rows),
        )

    def _window_of(self, rows: Sequence[RunRow]) -> tuple[int, int]:
        if self.window is None:
            return 0, max(_reach(row) for row in rows)
        if self.follow is None:
            return self.window
        # By eighths: a window that moved with every step would paint the charts anew with each.
        leap = max(1, self.follow // 8)
        end = -(-(max(row.step or 0 for row in rows)) // leap) * leap
        return max(0, end - self.follow), max(end, self.follow)

    def _track(self, registry: Registry, row: RunRow, window: tuple[int, int], *, alone: bool) -> Track:
        known = list(row.metrics)
        wanted = [LOSS, "eval/loss", RATE, NORM, TOKENS, *eval_keys(known, row.best_key, 3 if alone else 1)]
        curves = [self._curve(registry, row, key, window) for key in wanted if key in known]
        # The machine's load is counted by the supervisor's readings, not by steps: all of it, laid beside by time.
        machine = [key for key in known if key.startswith(_SYSTEM) and not key.endswith("/power")]
        curves += [self._curve(registry, row, key, (None, None)) for key in machine]
        return Track(row, tuple(curves), _steps_per_epoch(row))

    def _curve(self, registry: Registry, row: RunRow, key: str, window: tuple[int | None, int | None]) -> Curve:
        """The series, read anew only where its summary says that it has changed."""
        stamp = (row.metrics[key], row.attempt, window, self.columns)
        before = self.kept.get((row.id, key))
        if before is not None and before[0] == stamp:
            return before[1]
        view = registry.view(row.id, key, lo=window[0], hi=window[1], columns=self.columns)
        curve = Curve(key, tuple(view.points), tuple(view.times), view.total, view.hidden, view.nonfinite_total)
        self.kept[row.id, key] = stamp, curve
        return curve


def _found(registry: Registry, id: str) -> RunRow | None:
    try:
        return registry.find(id, include_deleted=True)
    except UnknownRun:
        return None


def _reach(row: RunRow) -> int:
    """How far the x axis goes for a run: where it has ended, or a round number ahead of where it is."""
    step = row.step or 0
    if row.finished is not None and row.state not in WORKING_STATES:
        return max(step, 1)
    return int(limit(step, row.total_steps))


def eval_keys(known: list[str], best: str | None, most: int) -> list[str]:
    """The evaluation metrics worth a chart: the one the run is evaluated by, then those of its scale."""
    evals = [key for key in known if key.startswith("eval/") and key != "eval/loss" and catalog.is_metric(key)]
    first = best if best in evals else min(evals, key=catalog.rank, default=None)
    # Perplexity beside accuracy would flatten accuracy: what is of another scale is not there.
    return [] if first is None else catalog.on_one_axis(first, evals)[:most]


def _steps_per_epoch(row: RunRow) -> float | None:
    return row.step / row.epoch if row.step and row.epoch else None


def _warnings(registry: Registry, run: str) -> tuple[Warning_, ...]:
    return tuple(
        Warning_(
            event.step,
            clean(event.text or event.code),
            event.count,
        )
        for event in registry.events(run, ["warning"])
        if isinstance(event, WarningEvent)
    )


def _end(registry: Registry, run: str) -> RunEnd | None:
    """The last word on the newest attempt, with a traceback from whichever log has one."""
    finished = [event for event in registry.events(run, ["finished"]) if isinstance(event, FinishedEvent)]
    newest = max((event.attempt for event in finished), default=0)
    words = [event for event in finished if event.attempt == newest]
    if not words:
        return None
    traceback = next((event.traceback for event in words if event.traceback), "")
    return RunEnd(words[-1].state, clean(words[-1].reason), clean(traceback, newlines=True))


def tail(console: Path, lines: int = 40) -> tuple[str, ...]:
    """The last lines of a console log, cleaned, colours dropped; of a line drawn over and over, its last drawing."""
    try:
        with console.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    found = [_ANSI.sub("", line.rstrip("\r").rsplit("\r", 1)[-1]).rstrip() for line in text.split("\n")]
    return tuple(clean(cut(line, 1000)) for line in found if line)[-lines:]
