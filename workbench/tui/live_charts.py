"""From a run's series to the four charts: pure functions, tested as such."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench import series
from workbench.tui.live_data import LOSS, NORM, RATE, Curve, LiveBody, Track
from workbench.tui.widgets.chart import Line, Spec, legend, limit

SMOOTHINGS = (0.0, 0.6, 0.9, 0.97)
AXES = ("step", "epoch", "time")
CHARTS = ("loss", "evaluation", "learning rate", "gradient norm")


@dataclass(frozen=True, slots=True)
class Look:
    """How the user wants to see them."""

    log: bool = False
    smoothing: float = 0.6
    axis: str = "step"


def specs(body: LiveBody, look: Look) -> dict[str, Spec]:
    """The picture of each chart by its name."""
    span = _span(body, look.axis)
    evals = _eval_keys(body)
    title = evals[0].removeprefix("eval/").replace("_", " ") if len(evals) == 1 else "evaluation"
    return {
        "loss": _spec("loss", body, look, [LOSS, "eval/loss"], span, smooth=True),
        "evaluation": _spec(title, body, look, evals, span),
        "learning rate": _spec("learning rate", body, look, [RATE], span),
        "gradient norm": _spec("gradient norm", body, look, [NORM], span, smooth=True),
    }


def _eval_keys(body: LiveBody) -> list[str]:
    found = [curve.key for track in body.tracks for curve in track.curves if curve.key.startswith("eval/")]
    return [key for key in dict.fromkeys(found) if key != "eval/loss"]


def _spec(
    title: str,
    body: LiveBody,
    look: Look,
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
    return Spec(title, tuple(lines), span, look.log, look.axis, f"{odd} not finite" if odd else "")


def _of_one(track: Track, keys: Sequence[str], look: Look, *, smooth: bool) -> Iterator[Line]:
    """One run: a colour for each series."""
    for shade, key in enumerate(keys):
        if (curve := track.curve(key)) is not None:
            label = key.partition("/")[0] if key in (LOSS, "eval/loss") else key.partition("/")[2].replace("_", " ")
            label = "" if len(keys) == 1 else label
            yield from _lines(curve, track, look, shade, label, smooth=smooth and key.startswith("train/"))


def _of_many(tracks: Sequence[Track], keys: Sequence[str], look: Look, *, smooth: bool) -> Iterator[Line]:
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


def _lines(curve: Curve, track: Track, look: Look, shade: int, label: str, *, smooth: bool) -> Iterator[Line]:
    """The raw series; with smoothing, faint behind the smoothed one."""
    xs = positions(curve, track, look.axis)
    values = [value for _, value in curve.points]
    said = series.format_number(values[-1]) if values else ""
    raw = tuple(zip(xs, values, strict=True))
    dots = curve.key.startswith("eval/")
    if not smooth or not look.smoothing or len(values) < 3:
        yield Line(label, raw, shade, dots=dots, said=said)
        return
    # A drawn point stands for many: weighting it as that many keeps the smoothing that was asked for.
    # By powers of two, so that one more point does not move all the others.
    many = 2.0 ** round(math.log2(max(1.0, curve.total / len(values))))
    weight = look.smoothing**many
    smoothed = series.smooth(values, weight)
    yield Line(label, raw, shade, faint=True)
    yield Line(label, tuple(zip(xs, smoothed, strict=True)), shade, said=said)


def positions(curve: Curve, track: Track, axis: str) -> list[float]:
    """Where the points lie: at their step, epoch, or seconds since the run began."""
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
    reached = [positions(curve, track, axis) for track in body.tracks for curve in track.curves if curve.points]
    last = max((max(xs) for xs in reached), default=0.0)
    first = min((min(xs) for xs in reached), default=0.0) if low > 0 else 0.0
    return first, limit(last, None)


def counted(body: LiveBody) -> str:
    """`1,204 points, 0 hidden`: nothing is left out of a chart without being said."""
    curves = [curve for track in body.tracks for curve in track.curves]
    total, hidden = sum(curve.total for curve in curves), sum(curve.hidden for curve in curves)
    text = f"{total:,} points, {hidden:,} hidden"
    return f"{text}, {body.left_out} marked runs not shown" if body.left_out else text
