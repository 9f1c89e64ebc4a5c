"""Intervals at 95 per cent that a formula gives: they hold where a bootstrap has nothing to draw from.

Thirty hits of thirty are drawn as thirty of thirty every time. What can be said of them comes from the binomial
distribution, and of other figures from the formula that their literature recommends.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

Values = NDArray[np.float64]
Bounds = tuple[float, float]

_TAIL: Final = 0.025
_Z: Final = 1.959963984540054  # of the normal distribution, so much of it above
_HALVINGS: Final = 50
_LEAST: Final = 1e-9


def proportion(hits: ArrayLike, of: ArrayLike) -> tuple[Values, Values]:
    """Clopper and Pearson's (1934) exact bounds of hits out of so many, elementwise; 0 to 1 out of none.

    A sum of values from 0 to 1 may stand for the hits: none varies more than hits do.
    """
    yes, number = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(of, np.float64))
    no = np.maximum(number - yes, 0.0)
    low = np.where(yes > 0, betaincinv(np.maximum(yes, _LEAST), no + 1, _TAIL), 0.0)
    high = np.where(no > 0, betaincinv(yes + 1, np.maximum(no, _LEAST), 1 - _TAIL), 1.0)
    return low, high


def f1(hits: ArrayLike, either: ArrayLike) -> tuple[Values, Values]:
    """Bounds of F1 = 2J / (1 + J), where J is the proportion of hits among what is true or predicted, or both."""
    low, high = proportion(hits, either)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def of_f1(value: float, rows: int) -> Bounds:
    """Bounds of an F1 whose evidence stands in so many rows."""
    low, high = f1(value / (2 - value) * rows, rows)
    return float(low), float(high)


def roc_area(area: float, yes: int, no: int) -> Bounds:
    """Newcombe's (2006, part 2, method 5) bounds of the area under a ROC curve of `yes` and `no` rows.

    They are where the area is as far from the bound as the bound's own spread (Hanley and McNeil 1982) allows.
    """
    more = (yes + no) / 2 - 1

    def spread(bound: float) -> float:
        inner = 1 + more * (1 - bound) / (2 - bound) + more * bound / (1 + bound)
        return _Z * math.sqrt(max(0.0, bound * (1 - bound) * inner / (yes * no)))

    def beyond(end: float) -> float:
        inside, outside = area, end
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if abs(area - middle) <= spread(middle) else (inside, middle)
        return inside

    return beyond(0.0), beyond(1.0)


def average_precision(area: float, yes: int) -> Bounds:
    """Bounds of the area under a precision-recall curve: the binomial interval of Boyd, Eng and Page (2013).

    Theirs is the normal approximation over the rows of the class; this is the exact one, which ends at 0 and 1.
    """
    low, high = proportion(area * yes, yes)
    return float(low), float(high)


def rank_correlation(value: float, rows: int) -> Bounds | None:
    """Bonett and Wright's (2000) bounds of Spearman's correlation; None of fewer than four rows, or of exactly ±1."""
    if rows < 4 or abs(value) >= 1:
        return None
    spread = _Z * math.sqrt((1 + value**2 / 2) / (rows - 3))
    return math.tanh(math.atanh(value) - spread), math.tanh(math.atanh(value) + spread)


def mean_of(bounds: list[Bounds]) -> Bounds:
    """Bounds of a mean of figures that may depend on each other in any way: the means of their bounds."""
    low, high = np.mean(np.asarray(bounds), axis=0)
    return float(low), float(high)


def weighted_mean(values: Values, low: Values, high: Values, weights: Values) -> Bounds:
    """Bounds of a mean over classes that share rows two at a time, as the classes of a confusion matrix do.

    Zou and Donner's (2008) recovery of variances. A row that is wrong is so for two classes, which at most doubles
    the variance of the sum.
    """
    shares = weights / weights.sum()
    value = float(values @ shares)
    below, above = (math.sqrt(2 * float((((values - side) * shares) ** 2).sum())) for side in (low, high))
    return max(0.0, value - below), min(1.0, value + above)
