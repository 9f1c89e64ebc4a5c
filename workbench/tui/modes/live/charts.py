"""From a run's series to the charts: pure functions, tested as such."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from workbench.core import series
from workbench.display.figures import figure
from workbench.metrics import catalog
from workbench.tui.modes.live.requests import LOSS, NORM, RATE, TOKENS, Curve, LiveBody, Track
from workbench.tui.widgets.chart import Series, Spec, legend, limit

SMOOTHINGS = (0.0, 0.6, 0.9, 0.97)
AXES = ("step", "epoch", "time", "tokens")
CHARTS = ("loss", "evaluation", "learning rate", "gradient norm", "throughput", "load", "memory")
_GIGA = 1024.0**3


@dataclass(frozen=True, slots=True)
class ChartView:
    """How the user wants to see them."""

    log: bool = False
    smoothing: float = 0.6
    axis: str = "step"
    at: int | None = None  # the step whose values the legends say; None: the newest


def specs(body: LiveBody, look: ChartView) -> dict[str, Spec]:
    """The picture of each chart by its name."""
    span = _span(body, look.axis)
    evals = _eval_keys(body)
    title = catalog.bare(evals[0]).replace("_", " ") if len(evals) == 1 else "evaluation"
    return {
        "loss": _spec("loss", body, look, [LOSS, "eval/loss"], span, smooth=True),
        "evaluation": _spec(title, body, look, evals, span),
        "learning rate": _spec("learning rate", body, look, [RATE], span),
        "gradient norm": _spec("gradient norm", body, look, [NORM], span, smooth=True),
    } | _machine(body, look, span)


def _machine(body: LiveBody, look: ChartView, span: tuple[float, float]) -> dict[str, Spec]:
    """What training costs: tokens a second, percent of cores and GPUs, gigabytes."""
    flat = replace(look, log=False)
    body = replace(
        body, tracks=tuple(replace(track, curves=(*track.curves, *_derived(track))) for track in body.tracks)
    )
    return {
        "throughput": _spec("tokens/s", body, flat, [_SPEED], span, smooth=True),
        "load": _spec("load %", body, flat, _keys(body, _LOAD), span),
        "memory": _spec("memory GB", body, flat, _keys(body, _MEMORY), span),
    }


_SPEED, _LOAD, _MEMORY = "speed/tokens", "load/", "memory/"


def _keys(body: LiveBody, prefix: str) -> list[str]:
    found = (curve.key for track in body.tracks for curve in track.curves if curve.key.startswith(prefix))
    return list(dict.fromkeys(found))


def _derived(track: Track) -> Iterator[Curve]:
    yield throughput(track)
    for curve in track.curves:
        name = curve.key.removeprefix("system/")
        if name == curve.key:
            continue
        device = name.rpartition("/")[0] or ("cpu" if name == "cpu" else "process")
        if name.endswith("memory"):
            scaled = tuple((at, value / _GIGA) for at, value in curve.points)
            yield _by_step(replace(curve, key=_MEMORY + device, points=scaled), track)
        elif name.endswith(("cpu", "utilization")):
            yield _by_step(replace(curve, key=_LOAD + device), track)


def throughput(track: Track) -> Curve:
    """Tokens a second between the points that are drawn, from how many have been seen when."""
    curve = track.curve(TOKENS)
    if curve is None:
        return Curve(_SPEED, (), (), 0, 0, 0)
    ends = [(step, seen, t) for (step, seen), t in zip(curve.points, curve.times, strict=True)]
    made = [
        (step, float(f"{(seen - before) / (t - began):.4g}"), t)  # wall time is exact to no more
        for (_, before, began), (step, seen, t) in pairwise(ends)
        if t > began and seen >= before
    ]
    points = tuple((step, speed) for step, speed, _ in made)
    return Curve(_SPEED, points, tuple(t for _, _, t in made), len(points), 0, 0)


def _by_step(curve: Curve, track: Track) -> Curve:
    """Readings of the machine at the steps that were under way; those before the first and after the last are out."""
    steps = track.curve(LOSS)
    if steps is None or not steps.points:
        return replace(curve, points=(), times=())
    times = list(steps.times)
    inside = [(value, t) for (_, value), t in zip(curve.points, curve.times, strict=True) if times[0] <= t <= times[-1]]
    places = [steps.points[bisect.bisect_right(times, t) - 1][0] for _, t in inside]
    points = tuple((place, value) for place, (value, _) in zip(places, inside, strict=True))
    return replace(curve, points=points, times=tuple(t for _, t in inside))


def _eval_keys(body: LiveBody) -> list[str]:
    found = [curve.key for track in body.tracks for curve in track.curves if curve.key.startswith("eval/")]
    return [key for key in dict.fromkeys(found) if key != "eval/loss"]


def _spec(
    title: str,
    body: LiveBody,
    look: ChartView,
    keys: Sequence[str],
    span: tuple[float, float],
    *,
    smooth: bool = False,
) -> Spec:
    if len(body.tracks) == 1:
        lines = list(_of_one(body.tracks[0], keys, look, smooth=smooth))
    else:
        lines = list(_of_many(body.tracks, keys[:1], look, smooth=smooth))
    odd = sum(curve.nonfinite for track in body.tracks for key in keys if (curve := track.curve(key)))
    at = None if look.at is None else place(look.at, body.tracks[0], look.axis)
    note = f"{odd} not finite" if odd else ""
    return Spec(title, tuple(lines), span, look.log, look.axis, note, at=at, within=catalog.axis(keys))


def _of_one(track: Track, keys: Sequence[str], look: ChartView, *, smooth: bool) -> Iterator[Series]:
    """One run: a colour for each series."""
    for shade, key in enumerate(keys):
        if (curve := track.curve(key)) is not None:
            label = "" if len(keys) == 1 else _label(key)
            yield from _lines(curve, track, look, shade, label, smooth=smooth and key.startswith("train/"))


def _label(key: str) -> str:
    """`train`, `f1 macro`, `gpu0`."""
    first, _, rest = key.partition("/")
    return first if key in (LOSS, "eval/loss") else rest.replace("_", " ")


def _of_many(tracks: Sequence[Track], keys: Sequence[str], look: ChartView, *, smooth: bool) -> Iterator[Series]:
    """Several runs: a colour for each run."""
    for shade, (track, label) in enumerate(zip(tracks, legend(_names(tracks)), strict=True)):
        for key in keys:
            if (curve := track.curve(key)) is not None:
                yield from _lines(curve, track, look, shade, label, smooth=smooth)


def _names(tracks: Sequence[Track]) -> list[str]:
    """Names of the runs, with the end of the id where two have the same."""
    names = [track.run.name for track in tracks]
    return [
        name if names.count(name) == 1 else f"{name} …{track.run.id[-4:]}"
        for name, track in zip(names, tracks, strict=True)
    ]


def _lines(curve: Curve, track: Track, look: ChartView, shade: int, label: str, *, smooth: bool) -> Iterator[Series]:
    """The raw series; with smoothing, faint behind the smoothed one."""
    xs = positions(curve, track, look.axis)
    values = [value for _, value in curve.points]
    said = _said(curve, values, look.at)
    raw = tuple(zip(xs, values, strict=True))
    dots = curve.key.startswith("eval/")
    if not smooth or not look.smoothing or len(values) < 3:
        yield Series(label, raw, shade, dots=dots, said=said)
        return
    # A drawn point stands for many: weighting it as that many keeps the smoothing that was asked for.
    # By powers of two, so that one more point does not move all the others.
    many = 2.0 ** round(math.log2(max(1.0, curve.total / len(values))))
    weight = look.smoothing**many
    smoothed = series.smooth(values, weight)
    yield Series(label, raw, shade, faint=True)
    yield Series(label, tuple(zip(xs, smoothed, strict=True)), shade, said=said)


def _said(curve: Curve, values: Sequence[float], at: int | None) -> str:
    """The value at a step, or of the last point before it; the newest where none is asked for."""
    if at is None:
        return figure(curve.key, values[-1]) if values else ""
    reached = bisect.bisect_right([step for step, _ in curve.points], at)
    return figure(curve.key, values[reached - 1]) if reached else "–"


def place(step: int, track: Track, axis: str) -> float:
    """Where a step lies on the x axis."""
    curve = track.curve(LOSS)
    if axis in ("time", "tokens") and curve is not None and curve.points:
        near = max(0, bisect.bisect_right([point[0] for point in curve.points], step) - 1)
        return positions(curve, track, axis)[near]
    scale = track.steps_per_epoch if axis == "epoch" else None
    return step / scale if scale else float(step)


def neighbour(body: LiveBody, at: int | None, by: int) -> int | None:
    """The step of the drawn point `by` further on than that of `at`; None past the newest."""
    curve = body.tracks[0].curve(LOSS)
    steps = [step for step, _ in curve.points] if curve is not None else []
    if not steps:
        return None
    here = len(steps) - 1 if at is None else max(0, bisect.bisect_right(steps, at) - 1)
    return steps[max(0, min(here + by, len(steps) - 1))]


def positions(curve: Curve, track: Track, axis: str) -> list[float]:
    """Where the points lie: at their step, epoch, tokens seen, or seconds since the run began."""
    if axis == "tokens" and (seen := track.curve(TOKENS)) is not None and seen.points:
        steps = [step for step, _ in seen.points]
        places = (max(0, bisect.bisect_right(steps, step) - 1) for step, _ in curve.points)
        return [seen.points[near][1] for near in places]
    if axis == "time":
        began = track.run.started or track.run.created
        return [max(0.0, t - began) for t in curve.times]
    scale = track.steps_per_epoch if axis == "epoch" else None
    return [step / scale if scale else float(step) for step, _ in curve.points]


def _span(body: LiveBody, axis: str) -> tuple[float, float]:
    """The range of x for all four charts, so that they line up."""
    low, high = body.window
    if axis == "step":
        return float(low), float(high)
    if axis == "epoch":
        scale = body.tracks[0].steps_per_epoch or 1.0
        return low / scale, high / scale
    reached = [positions(curve, track, axis) for track in body.tracks for curve in _of_steps(track) if curve.points]
    last = max((max(xs) for xs in reached), default=0.0)
    first = min((min(xs) for xs in reached), default=0.0) if low > 0 else 0.0
    return first, limit(last, None)


def _of_steps(track: Track) -> list[Curve]:
    """What training and evaluation logged, the machine's load left out."""
    return [curve for curve in track.curves if curve.key.startswith(("train/", "eval/"))]


def counted(body: LiveBody) -> str:
    """`1,204 points, 0 hidden`: nothing is left out of a chart without being said."""
    curves = [curve for track in body.tracks for curve in _of_steps(track) if curve.key != TOKENS]
    total, hidden = sum(curve.total for curve in curves), sum(curve.hidden for curve in curves)
    text = f"{total:,} points, {hidden:,} hidden"
    return f"{text}, {body.left_out} marked runs not shown" if body.left_out else text
