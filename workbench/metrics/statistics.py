"""How sure a figure is, and whether two runs really differ on the same rows.

Intervals are percentile bootstraps (Efron and Tibshirani 1993, chapter 13): the rows are drawn again with
replacement, and the middle `level` of what the measure then is makes the interval. Of more than 2,000 rows the sums
are drawn from the normal distribution that they then have. Generators are seeded: the same rows give the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.contracts.lab.prediction_requests import ChangedRows, PairedDifference

RESAMPLES: Final = 2000
_MANY: Final = 2000  # rows, from which on their sums are drawn and not each row
_FEW_PARTS: Final = 3
_DISTINCT: Final = 256
_EXACT: Final = 1000

Values = NDArray[np.float64]
Measure = Callable[[NDArray[np.int64]], Values]
SumMeasure = Callable[[Values], Values]


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def of_mean(values: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95) -> Interval:
    """The interval of the mean of a value for each row. Raises ValueError where there are no rows."""
    return _middle(_means(_checked(values), seed, resamples), level)


def of_counts(
    counts: ArrayLike, measure: Measure, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval | None:
    """The interval of a measure of counted rows, such as a confusion matrix.

    The measure takes [resamples, *counts.shape] and gives one value each, NaN where it is undefined; None where it is
    so in more than one of twenty. Raises ValueError where there are no rows.
    """
    return of_draws(measure(drawn_counts(counts, seed=seed, resamples=resamples)), level)


def drawn_counts(counts: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES) -> NDArray[np.int64]:
    """Counts of so many draws, [resamples, *counts.shape]: to draw rows again is to draw the cells from a multinomial.

    Raises ValueError where there are no rows.
    """
    cells = np.asarray(counts, dtype=np.int64)
    rows = int(cells.sum())
    if not rows:
        raise ValueError("there are no rows")
    drawn = np.random.default_rng(seed).multinomial(rows, cells.ravel() / rows, size=resamples)
    return drawn.reshape(resamples, *cells.shape)


def of_sums(
    rows: ArrayLike,
    measures: Mapping[str, SumMeasure],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> dict[str, Interval | None]:
    """The intervals of several measures that are made of sums over rows, all from the same draws.

    `rows` is [rows, parts]: what each row adds. A measure takes sums [resamples, parts] and gives one value each, NaN
    where it is undefined; None where it is so in more than one of twenty. The sums of a part that is no number in some
    row are NaN. Raises ValueError where there are no rows.
    """
    parts = np.asarray(rows, dtype=np.float64)
    if parts.ndim != 2 or not len(parts):
        raise ValueError("there are no rows")
    finite = np.isfinite(parts).all(axis=0)
    drawn = np.where(finite, _sums(np.where(finite, parts, 0.0), seed, resamples), np.nan)
    return {name: of_draws(np.asarray(measure(drawn)), level) for name, measure in measures.items()}


def of_draws(values: Values, level: float = 0.95) -> Interval | None:
    """The middle of what a measure is in each draw; None where it is undefined in more than one of twenty."""
    known = values[np.isfinite(values)]
    return _middle(known, level) if len(known) >= 0.95 * len(values) else None


def mcnemar(before: ArrayLike, after: ArrayLike) -> ChangedRows:
    """McNemar's test (1947) on which rows two models have right, as booleans [rows].

    Up to 1,000 rows that changed the binomial test is exact; above, chi-squared with Edwards' (1948) continuity
    correction. Raises ValueError where the rows are not as many.
    """
    one, other = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if one.shape != other.shape:
        raise ValueError("both have the same rows")
    fixed, broke = int((~one & other).sum()), int((one & ~other).sum())
    changed = fixed + broke
    if changed <= _EXACT:
        return ChangedRows(fixed, broke, _binomial(min(fixed, broke), changed))
    square = (abs(fixed - broke) - 1) ** 2 / changed
    return ChangedRows(fixed, broke, math.erfc(math.sqrt(square / 2)))


def _binomial(least: int, of: int) -> float:
    """Two-sided: the probability of `least` or fewer heads, or tails, in so many throws of a fair coin."""
    ways = sum(math.comb(of, heads) for heads in range(least + 1))
    return float(min(1.0, 2 * ways / 2**of))


def paired(
    before: ArrayLike, after: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> PairedDifference:
    """The paired bootstrap (Koehn 2004) over a score for each row of two models.

    `p` is twice the share of draws on the other side of zero, at least 2 / (draws + 1). Raises ValueError where
    the rows are not as many, or there are none.
    """
    one, other = _checked(before), _checked(after)
    if one.shape != other.shape:
        raise ValueError("both have the same rows")
    gains = other - one
    means = _means(gains, seed, resamples)
    interval = _middle(means, level)
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (len(means) + 1))
    return PairedDifference(float(gains.mean()), interval.low, interval.high, p)


def _checked(values: ArrayLike) -> Values:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found):
        raise ValueError("there are no rows")
    if not np.isfinite(found).all():
        raise ValueError("a row has no number")
    return found


def _means(values: Values, seed: int, resamples: int) -> Values:
    """Means of so many draws of all rows with replacement."""
    means: Values = _sums(values[:, np.newaxis], seed, resamples)[:, 0] / len(values)
    return means


def _sums(rows: Values, seed: int, resamples: int) -> Values:
    """Sums [resamples, parts] of so many draws of all rows [rows, parts] with replacement."""
    generator = np.random.default_rng(seed)
    # To sort very many rows of many parts takes longer than to draw their sums.
    counted = _distinct(rows) if len(rows) <= _MANY or rows.shape[1] <= _FEW_PARTS else None
    if counted is not None:
        distinct, times = counted
        few: Values = generator.multinomial(len(rows), times / len(rows), size=resamples) @ distinct
        return few
    if len(rows) > _MANY:
        return _normal_sums(generator, rows, resamples)
    # One draw at a time: its counts stay in the processor's cache.
    return np.stack([_times_drawn(generator, len(rows)) @ rows for _ in range(resamples)])


def _normal_sums(generator: np.random.Generator, rows: Values, resamples: int) -> Values:
    """Such sums of very many rows, which by then are normal with the rows' own covariances."""
    sums = rows.sum(axis=0)
    spread, axes = np.linalg.eigh(np.atleast_2d(np.cov(rows, rowvar=False, bias=True)) * len(rows))
    drawn = sums + (generator.standard_normal((resamples, len(sums))) * np.sqrt(np.maximum(spread, 0.0))) @ axes.T
    # No draw of rows without a negative part has a negative sum.
    drawn = np.where((rows >= 0).all(axis=0), np.maximum(drawn, 0.0), drawn)
    # A part that every row has alike is the same in every draw; the roots of its covariance are only nearly 0.
    alike: Values = np.where(np.ptp(rows, axis=0) == 0, sums, drawn)
    return alike


def _distinct(rows: Values) -> tuple[Values, NDArray[np.int64]] | None:
    """The distinct rows and how often each is there; None where they are many."""
    # To sort rows takes long: so many of the first ones tell of most that it is not worth it.
    if len(np.unique(rows[: 4 * _DISTINCT], axis=0)) > _DISTINCT:
        return None
    found, times = np.unique(rows, axis=0, return_counts=True)
    return (found, times) if len(found) <= _DISTINCT else None


def _times_drawn(generator: np.random.Generator, rows: int) -> Values:
    """How often a draw of `rows` of them with replacement takes each row."""
    return np.bincount(generator.integers(rows, size=rows, dtype=np.int32), minlength=rows).astype(np.float64)


def _middle(values: Values, level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
