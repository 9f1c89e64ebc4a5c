"""From a run's series to the charts: pure functions, tested as such."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from workbench.core import series
from workbench.display.figures import figure
from workbench.display.run_labels import differences
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


def specs(body: LiveBody, look: ChartView, names: Sequence[str] = CHARTS) -> dict[str, Spec]:
    """The picture of each chart by its name."""
    return {name: _spec_of(name, body, look) for name in names}


def _spec_of(name: str, body: LiveBody, look: ChartView) -> Spec:
    if name in _MACHINE:
        title, prefix = _MACHINE[name]
        body = replace(
            body, tracks=tuple(replace(each, curves=(*each.curves, *_derived(each, prefix))) for each in body.tracks)
        )
        return _spec(title, body, replace(look, log=False), _keys(body, prefix), smooth=prefix == _SPEED)
    if name == "evaluation":
        evals = _eval_keys(body)
        title = catalog.bare(evals[0]).replace("_", " ") if len(evals) == 1 else name
        return _spec(title, body, look, evals)
    return _spec(name, body, look, _TRAINED[name], smooth=name != "learning rate")


_SPEED, _LOAD, _MEMORY = "speed/tokens", "load/", "memory/"
# What training costs: tokens a second, percent of cores and GPUs, gigabytes.
_MACHINE = {"throughput": ("tokens/s", _SPEED), "load": ("load %", _LOAD), "memory": ("memory GB", _MEMORY)}
_TRAINED = {"loss": [LOSS, "eval/loss"], "learning rate": [RATE], "gradient norm": [NORM]}


def _keys(body: LiveBody, prefix: str) -> list[str]:
    found = (curve.key for track in body.tracks for curve in track.curves if curve.key.startswith(prefix))
    return list(dict.fromkeys(found))


def _derived(track: Track, prefix: str) -> Iterator[Curve]:
    """What the machine's readings come to, by step: one curve a device."""
    if prefix == _SPEED:
        yield throughput(track)
    for curve in track.curves if prefix != _SPEED else ():
        name = curve.key.removeprefix("system/")
        if name == curve.key or name.endswith("memory") != (prefix == _MEMORY):
            continue
        device = name.rpartition("/")[0] or ("cpu" if name == "cpu" else "process")
        if prefix == _MEMORY:
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
    *,
    smooth: bool = False,
) -> Spec:
    if len(body.tracks) == 1:
        lines = list(_of_one(body.tracks[0], keys, look, smooth=smooth))
    else:
        lines = list(_of_many(body.tracks, keys[:1], look, smooth=smooth))
    odd = sum(curve.nonfinite for track in body.tracks for key in keys if (curve := track.curve(key)))
    at = None if look.at is None else place(look.at, body.tracks[0], look.axis)
    note = f"{odd} not finite" if odd else _sign(body, keys)
    return Spec(
        title, tuple(lines), _span(body, look.axis), look.log, look.axis, note, at=at, within=catalog.axis(keys)
    )


# The chart, by its first series, and how the sentence begins that is told of it.
_SIGNS = {LOSS: ("loss", "evaluation loss"), NORM: ("gradient norm",)}


def _sign(body: LiveBody, keys: Sequence[str]) -> str:
    """`rising`, `turning`, `exploding`: what is wrong with the run, as short as a chart has room for."""
    signs = [sign.partition(":")[0] for sign in body.news.signs.get(body.run.id, ())]
    about = _SIGNS.get(keys[0], ()) if keys else ()
    return ", ".join(sign.rpartition(" ")[2] for sign in signs if sign.rpartition(" ")[0] in about)


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
    for shade, (track, label) in enumerate(zip(tracks, _labels(tracks), strict=True)):
        for key in keys:
            if (curve := track.curve(key)) is not None:
                yield from _lines(curve, track, look, shade, label, smooth=smooth)


def _labels(tracks: Sequence[Track]) -> list[str]:
    """What is not the same in all names; of those that share one, what differs, or the id."""
    names = [track.run.name for track in tracks]
    apart = differences([track.run for track in tracks])
    own = dict(zip(names, legend(names), strict=True)) if len(set(names)) > 1 else {}
    return [
        " ".join(filter(None, (own.get(track.run.name), apart[track.run.id] or track.run.id)))
        if track.run.id in apart
        else own.get(track.run.name, track.run.name)
        for track in tracks
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


def _charted(body: LiveBody, names: Sequence[str]) -> Iterator[tuple[Track, Curve]]:
    """The series that are drawn in the charts of these names."""
    for track in body.tracks:
        wanted = [*(key for name in names for key in _TRAINED.get(name, ()))]
        wanted += _eval_keys(body) if "evaluation" in names else []
        wanted += [key for key in (TOKENS,) if "throughput" in names]
        alone = wanted if len(body.tracks) == 1 else [key for key in wanted if key != "eval/loss"]
        yield from ((track, curve) for curve in track.curves if curve.key in alone)


def counted(body: LiveBody, names: Sequence[str] = CHARTS[:4]) -> str:
    """`1,204 points, 0 hidden`, of the charts of these names: nothing is left out of one without being said."""
    charted = list(_charted(body, names))
    total = sum(curve.total for _, curve in charted)
    hidden = sum(curve.hidden for _, curve in charted)
    outside = sum(track.run.metrics[curve.key].count - curve.total for track, curve in charted)
    said = [f"{total:,} points, {hidden:,} hidden"]
    said += [f"{outside:,} outside the zoom"] if outside else []
    said += [f"{body.left_out} marked runs not shown"] if body.left_out else []
    return ", ".join(said)
