"""Series as charts and tables need them: pure functions on lists of (step, value)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

Point = tuple[float, float]

_BARS: Final = "▁▂▃▄▅▆▇█"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def decimate(points: Sequence[Point], columns: int) -> list[Point]:
    """At most `2 * columns` of the points, in their order: the least and the greatest value of each bucket.

    Buckets hold equally many points. Values are finite: take NaN and infinities out first.
    """
    columns = max(columns, 1)
    if len(points) <= 2 * columns:
        return list(points)
    kept: list[Point] = []
    for column in range(columns):
        bucket = range(column * len(points) // columns, (column + 1) * len(points) // columns)
        low = min(bucket, key=lambda at: points[at][1])
        high = max(bucket, key=lambda at: points[at][1])
        kept += [points[at] for at in sorted({low, high})]
    return kept


def smooth(values: Iterable[float], weight: float) -> list[float]:
    """The exponential moving average, debiased: each value over the weight that has gathered, as TensorBoard draws it.

    `weight` is between 0 (as it is) and just under 1. NaN and infinities stay where they are and count for nothing.
    Source: the bias correction of Adam (Kingma and Ba 2015, section 3) applied to a plain average.
    """
    weight = min(max(weight, 0.0), 0.9999)
    average, gathered, smoothed = 0.0, 0.0, []
    for value in values:
        if not math.isfinite(value):
            smoothed.append(value)
            continue
        average = weight * average + (1 - weight) * value
        gathered = weight * gathered + (1 - weight)
        smoothed.append(average / gathered)
    return smoothed


def log10_finite(points: Iterable[Point]) -> list[Point]:
    """The points on a logarithmic axis: (step, log10 value); those that have no place there are left out."""
    return [(step, math.log10(value)) for step, value in points if 0 < value < math.inf]


def sparkline_text(values: Sequence[float], width: int) -> str:
    """The values as bars of eight heights, at most `width` cells. A value that is no number is a space."""
    if width < 1:
        return ""
    values = _narrowed(values, width)
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return " " * len(values)
    low, high = min(finite), max(finite)
    return "".join(_bar(value, low, high) for value in values)


def _narrowed(values: Sequence[float], width: int) -> Sequence[float]:
    """At most `width` values: the mean of the finite ones of each share."""
    if len(values) <= width:
        return values
    cuts = [at * len(values) // width for at in range(width + 1)]
    return [_mean(values[start:end]) for start, end in pairwise(cuts)]


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(value / len(finite) for value in finite) if finite else math.nan


def _bar(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return " "
    # Halves, because the distance between the extremes of a float does not fit in one.
    span = high / 2 - low / 2
    share = (value / 2 - low / 2) / span if span > 0 else 0.5
    return _BARS[min(int(share * len(_BARS)), len(_BARS) - 1)]


def format_number(value: float | None, digits: int = 4) -> str:
    """A number in few cells, `digits` of it significant: `0.9123`, `2e-05`, `1,234`, `NaN`, `–` for None."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.{digits - 1}e}"
    return f"{value:.{digits}g}"


def format_bytes(count: float) -> str:
    """A size on a disk: `0 B`, `512 B`, `91.6 MB`, `1.3 GB`; powers of ten, as disks are sold."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:.0f} B"


def format_age(seconds: float) -> str:
    """How long ago in one unit: `now`, `5s`, `3m`, `2h`, `4d`, `7w`, `2y`. The future is `now`."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 1:
        return "now"
    for unit, size, limit in (("s", 1, _MINUTE), ("m", _MINUTE, _HOUR), ("h", _HOUR, _DAY), ("d", _DAY, 14 * _DAY)):
        if seconds < limit:
            return f"{int(seconds // size)}{unit}"
    if seconds < 365 * _DAY:
        return f"{int(seconds // (7 * _DAY))}w"
    return f"{int(seconds // (365 * _DAY))}y"


def format_duration(seconds: float) -> str:
    """A length of time in two units: `0.4s`, `12s`, `3m 05s`, `2h 07m`, `1d 03h`. `–` for what is no length."""
    if not math.isfinite(seconds) or seconds < 0:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR:02}h"
