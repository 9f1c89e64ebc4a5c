"""Two lines on how a run is doing: state, progress, time left, speed, and what it costs."""

from __future__ import annotations

import math

from workbench.core import series
from workbench.core.text import cells, clean
from workbench.display.figures import figure
from workbench.display.spans import Line, Span, line
from workbench.metrics import catalog
from workbench.tui.modes.live.requests import LOSS, TOKENS, LiveBody
from workbench.tui.widgets.drawing import Drawing
from workbench.tui.widgets.run_cells import best_metric, state_cell

_BAR = 30
_BESIDE = 48  # cells for the state, the share, steps and epoch
_RECENT = 40  # points that the speed is taken from


class RunBar(Drawing):
    """Fed with the body that Live gets."""

    DEFAULT_CSS = "RunBar { height: 2; width: 100%; }"

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__()
        self._plain = plain
        self._body: LiveBody | None = None

    def tell(self, body: LiveBody) -> None:
        """Show how `body.run` is doing."""
        self._body = body
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        body = self._body
        if body is None:
            return []
        state = state_cell(body.run.state, plain=self._plain)
        state = state if state.style else state._replace(style="bold")
        return [
            line(" ", state, "  ", *self._bar(body, width), _where(body)),
            line(" ", (_facts(body, width - 2), "muted")),
        ]

    def _bar(self, body: LiveBody, width: int) -> Line:
        share = progress(body)
        if share is None:
            return ()
        size = max(8, min(_BAR, width - _BESIDE))
        full = round(share * size)
        done, rest = ("#", ".") if self._plain else ("━", "━")
        return Span(done * full, "good"), Span(rest * (size - full), "track"), Span(f" {100 * share:3.0f}%  ", "bold")


def progress(body: LiveBody) -> float | None:
    """Steps done of all, 0 to 1; None until the plan is known."""
    run = body.run
    return None if not run.total_steps else min(1.0, (run.step or 0) / run.total_steps)


def _where(body: LiveBody) -> str:
    run = body.run
    if starting := body.news.phases.get(run.id):
        return f"{starting} …"
    of = f" of {run.total_steps:,}" if run.total_steps else ""
    epoch = f"  epoch {run.epoch:.2f}" if run.epoch is not None else ""
    return f"step {run.step or 0:,}{of}{epoch}"


def _facts(body: LiveBody, room: int) -> str:
    """What is known, as much as fits: the first are those one looks for first."""
    said = ""
    for fact in (_time(body), _speed(body), _best(body), _tokens(body), *_system(body)):
        longer = f"{said}   {fact}" if said and fact else said or fact
        said = longer if cells(longer) <= room else said
    return said


def _time(body: LiveBody) -> str:
    run = body.run
    if run.finished is not None and run.started is not None and run.state not in ("running", "stopping"):
        return f"took {series.format_duration(max(0.0, run.finished - run.started))}"
    speed = steps_per_second(body)
    if run.state != "running" or not speed or not run.total_steps:
        return ""
    return f"{series.format_duration(max(0.0, run.total_steps - (run.step or 0)) / speed)} left"


def steps_per_second(body: LiveBody) -> float | None:
    """The speed over the newest points that are drawn."""
    curve = body.tracks[0].curve(LOSS)
    if curve is None or len(curve.points) < 2:
        return None
    first = max(0, len(curve.points) - _RECENT)
    seconds = curve.times[-1] - curve.times[first]
    return (curve.points[-1][0] - curve.points[first][0]) / seconds if seconds > 0 else None


def _speed(body: LiveBody) -> str:
    speed = steps_per_second(body)
    if not speed:
        return ""
    return f"{speed:.1f} steps/s" if speed >= 1 else f"{1 / speed:.1f} s/step"


def _tokens(body: LiveBody) -> str:
    curve = body.tracks[0].curve(TOKENS)
    if curve is None or len(curve.points) < 2:
        return ""
    first = max(0, len(curve.points) - _RECENT)
    seconds = curve.times[-1] - curve.times[first]
    seen = curve.points[-1][1] - curve.points[first][1]
    return f"{seen / seconds:,.0f} tokens/s" if seconds > 0 and seen > 0 else ""


def _best(body: LiveBody) -> str:
    found = best_metric(body.run)
    if found is None or found[0].startswith("train/"):
        return ""
    key, summary = found
    if summary.best is None:
        return f"{clean(key)} {figure(key, summary.last)}"
    return f"best {clean(catalog.bare(key))} {figure(key, summary.best)} at {summary.step:,}"


def _system(body: LiveBody) -> list[str]:
    """The newest sample of CPU, memory and GPUs: percent and bytes, as the supervisor logs them."""
    found: list[str] = []
    for key, summary in body.run.metrics.items():
        name = key.removeprefix("system/")
        if name == key or not math.isfinite(summary.last):
            continue
        if name.endswith("memory"):
            found.append(f"{name.removesuffix('/memory')} {_bytes(summary.last)}")
        elif name.endswith(("cpu", "utilization")):
            found.append(f"{name.removesuffix('/utilization')} {summary.last:.0f}%")
    return found[:6]


def _bytes(value: float) -> str:
    for unit in ("B", "KB", "MB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GB"
