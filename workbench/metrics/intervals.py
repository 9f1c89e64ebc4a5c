"""How sure the figures of an evaluation are, at 95 per cent: of each an interval, or the reason why it has none.

What is so many rows of so many has the exact interval of a proportion. Of other figures the rows are drawn again
(`workbench.metrics.statistics`); where that reaches the end of the scale, as of a model without a mistake, the draws
know nothing of the mistakes that other rows would show, and the exact intervals of what the figure is made of stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workbench.metrics import exact_intervals, statistics
from workbench.metrics.exact_intervals import Bounds

Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Measure = Callable[[Values], Values]
Found = Bounds | str
"""Low and high, or why there is no interval."""
ClassRatio = Literal["precision", "recall", "f1"]

CLASS_RATIOS: Final[tuple[ClassRatio, ...]] = ("precision", "recall", "f1")
NOT_FINITE: Final = "it is not a finite number"
ALIKE: Final = "every draw of the rows gives the same figure"
SELDOM: Final = "more than one draw of the rows in twenty gives it no value"
CHOSEN: Final = "it is chosen on these rows, and would be lower on others"
SETTING: Final = "it is a threshold, and no measurement"
UNKNOWN: Final = "there is no formula for it here"

_CELLS: Final = 400_000  # drawn of a confusion matrix: of a large one there are fewer draws, at least
_FEWEST: Final = 200
_NEAR: Final = 1e-9  # to an end of the scale


@runtime_checkable
class Bounded(Protocol):
    """A measure from 0 to 1 that has an exact interval. Both take rows or draws [n, parts]."""

    def __call__(self, sums: Values) -> Values: ...

    def exact(self, rows: Values) -> Bounds: ...

    def counts(self, rows: Values) -> bool:
        """Whether each row is either a hit or none, so that the exact interval is the right one."""


@dataclass(frozen=True)
class Share:
    """The sum of one part over that of another, of which it is a part in each row."""

    part: int
    whole: int

    def __call__(self, sums: Values) -> Values:
        return ratio(sums[:, self.part], sums[:, self.whole])

    def exact(self, rows: Values) -> Bounds:
        """As if each row were one decision: what stands in one row hangs together."""
        number = int((rows[:, self.whole] > 0).sum())
        low, high = exact_intervals.proportion(self(rows.sum(axis=0, keepdims=True))[0] * number, number)
        return float(low), float(high)

    def counts(self, rows: Values) -> bool:
        return bool(np.isin(rows[:, [self.part, self.whole]], (0.0, 1.0)).all())


@dataclass(frozen=True)
class F1:
    """F1 of sums of hits, of predictions and of what is true."""

    hits: int
    predicted: int
    gold: int

    def __call__(self, sums: Values) -> Values:
        return ratio(2 * sums[:, self.hits], sums[:, self.predicted] + sums[:, self.gold])

    def exact(self, rows: Values) -> Bounds:
        number = int((rows[:, self.predicted] + rows[:, self.gold] > 0).sum())
        return exact_intervals.of_f1(float(self(rows.sum(axis=0, keepdims=True))[0]), number)

    def counts(self, rows: Values) -> bool:
        return False


@dataclass(frozen=True)
class ClassMean:
    """The mean of a ratio over so many classes; from column `first` on stand the hits of each, then the predictions of
    each, then what is truly of each.

    Weighted by the last. `every` counts classes that are neither true nor predicted, too.
    """

    ratio: ClassRatio
    first: int
    classes: int
    weighted: bool = False
    every: bool = False

    def __call__(self, sums: Values) -> Values:
        return class_mean(self.ratio, *self._sides(sums), weighted=self.weighted, every=self.every)

    def exact(self, rows: Values) -> Bounds:
        sides = self._sides(rows.sum(axis=0))
        low, high = class_bounds(self.ratio, *sides)
        weights = class_weights(*sides[1:], weighted=self.weighted, every=self.every)
        return float(low @ weights / weights.sum()), float(high @ weights / weights.sum())

    def counts(self, rows: Values) -> bool:
        return False

    def _sides(self, sums: Values) -> tuple[Values, Values, Values]:
        hits, predicted, gold = np.split(sums[..., self.first : self.first + 3 * self.classes], 3, axis=-1)
        return hits, predicted, gold


def of_rows(rows: Sequence[Sequence[float]] | Values, measures: Mapping[str, Measure]) -> dict[str, Found]:
    """Of measures made of sums over rows. `rows` is [rows, parts]: what each row adds."""
    parts = np.asarray(rows, dtype=np.float64)
    counted = {name for name, measure in measures.items() if isinstance(measure, Bounded) and measure.counts(parts)}
    drawn = {name: measure for name, measure in measures.items() if name not in counted}
    found = statistics.of_sums(parts, drawn) if drawn else {}
    return {name: _found(found.get(name), measure, parts) for name, measure in measures.items()}


def _found(interval: statistics.Interval | None, measure: Measure, rows: Values) -> Found:
    if isinstance(measure, Bounded) and _reaches_an_end(interval):
        value = measure(rows.sum(axis=0, keepdims=True))[0]
        return measure.exact(rows) if np.isfinite(value) else NOT_FINITE
    return _told(interval)


def _reaches_an_end(interval: statistics.Interval | None) -> bool:
    return interval is None or interval.low <= _NEAR or interval.high >= 1 - _NEAR or interval.low == interval.high


def _told(interval: statistics.Interval | None) -> Found:
    if interval is None:
        return SELDOM
    return ALIKE if interval.low == interval.high else (interval.low, interval.high)


def of_matrix(counts: Sequence[Sequence[int]]) -> dict[str, Found]:
    """Of what a confusion matrix says. For two classes plain ratios are those of class 1, for more the macro means.

    To draw rows again with replacement is to draw the cells of their matrix.
    """
    matrix = np.asarray(counts, dtype=np.int64)
    cells = matrix.astype(np.float64)
    hits, predicted, gold = np.diagonal(cells), cells.sum(axis=0), cells.sum(axis=1)
    right = _one(exact_intervals.proportion(hits.sum(), matrix.sum()))
    found: dict[str, Found] = dict.fromkeys(("accuracy", "recall_weighted", *_micro()), right)
    if len(matrix) == 2:
        found |= {name: _one(class_bounds(name, hits, predicted, gold), 1) for name in CLASS_RATIOS}
        found["specificity"] = _one(class_bounds("recall", hits, predicted, gold), 0)
    draws = _MatrixDraws.of(matrix)
    means = {f"{name}_{end}": (name, end == "weighted") for name in CLASS_RATIOS for end in ("macro", "weighted")}
    for name, (what, weighted) in means.items():
        interval = statistics.of_draws(class_mean(what, *draws.sides, weighted=weighted))
        if name not in found:
            exact = _reaches_an_end(interval)
            found[name] = _of_classes(what, hits, predicted, gold, weighted) if exact else _told(interval)
    if len(matrix) != 2:
        found |= {name: found[f"{name}_macro"] for name in CLASS_RATIOS}
        found["specificity"] = _specificity(draws, hits, predicted, gold)
    return found | {"mcc": _told(statistics.of_draws(_mcc(draws.sides)))}


def _micro() -> tuple[str, ...]:
    return tuple(f"{name}_micro" for name in CLASS_RATIOS)


def _one(bounds: tuple[Values, Values], place: int | None = None) -> Bounds:
    low, high = bounds if place is None else (side[place] for side in bounds)
    return float(low), float(high)


@dataclass(frozen=True)
class _MatrixDraws:
    """Hits, predictions and rows of each class in each draw, [draws, classes] each."""

    sides: tuple[Values, Values, Values]

    @classmethod
    def of(cls, matrix: Counts) -> _MatrixDraws:
        # Most cells of a large matrix are empty, and stay so.
        true, predicted = np.nonzero(matrix)
        cells = matrix[true, predicted]
        draws = min(statistics.RESAMPLES, max(_FEWEST, _CELLS // len(cells)))
        drawn = statistics.drawn_counts(cells, resamples=draws)
        sides = (np.where(true == predicted, true, -1), predicted, true)
        hits, predictions, rows = (_by_class(drawn, of, len(matrix)) for of in sides)
        return cls((hits, predictions, rows))


def _by_class(drawn: Counts, of: Counts, classes: int) -> Values:
    """Sums [draws, classes] of drawn cells [draws, cells], where cell i is `of[i]`'s; of none where that is -1."""
    order = np.argsort(of, kind="stable")
    order = order[of[order] >= 0]
    found = np.zeros((len(drawn), classes))
    if len(order):
        there, starts = np.unique(of[order], return_index=True)
        found[:, there] = np.add.reduceat(drawn[:, order], starts, axis=1)
    return found


def ratio(part: Counts | Values, whole: Counts | Values, nothing: float = np.nan) -> Values:
    """`nothing` where `whole` is not above 0."""
    found: Values = np.divide(part, whole, out=np.full(np.shape(part), nothing), where=np.asarray(whole) > 0)
    return found


def class_ratio(name: ClassRatio, hits: Values, predicted: Values, gold: Values) -> Values:
    """The ratio of each class, 0 where there is nothing to divide by, as in scikit-learn."""
    if name == "f1":
        return ratio(2 * hits, predicted + gold, 0.0)
    return ratio(hits, predicted if name == "precision" else gold, 0.0)


def class_weights(predicted: Values, gold: Values, *, weighted: bool, every: bool = False) -> Values:
    """What each class counts in a mean: its rows, or 1 where it is true or predicted anywhere."""
    if weighted:
        return np.asarray(gold, dtype=np.float64)
    return np.ones(np.shape(gold)) if every else (predicted + gold > 0).astype(np.float64)


def class_mean(
    name: ClassRatio, hits: Values, predicted: Values, gold: Values, *, weighted: bool, every: bool = False
) -> Values:
    """The mean over classes [draws], of [draws, classes] each; NaN where no class counts."""
    weights = class_weights(predicted, gold, weighted=weighted, every=every)
    values = class_ratio(name, hits, predicted, gold)
    return ratio((values * weights).sum(axis=-1), weights.sum(axis=-1))


def class_bounds(name: ClassRatio, hits: Values, predicted: Values, gold: Values) -> tuple[Values, Values]:
    """The exact bounds of each class."""
    if name == "f1":
        return exact_intervals.f1(hits, predicted + gold - hits)
    return exact_intervals.proportion(hits, predicted if name == "precision" else gold)


def _of_classes(name: ClassRatio, hits: Values, predicted: Values, gold: Values, weighted: bool) -> Bounds:
    weights = class_weights(predicted, gold, weighted=weighted)
    bounds = class_bounds(name, hits, predicted, gold)
    return exact_intervals.weighted_mean(class_ratio(name, hits, predicted, gold), *bounds, weights)


def _specificity(draws: _MatrixDraws, hits: Values, predicted: Values, gold: Values) -> Found:
    interval = statistics.of_draws(_mean_specificity(*draws.sides))
    others = gold.sum() - gold
    if not _reaches_an_end(interval) or not others.all():
        return _told(interval)
    right = others - (predicted - hits)
    return exact_intervals.weighted_mean(
        right / others, *exact_intervals.proportion(right, others), np.ones(len(others))
    )


def _mean_specificity(hits: Values, predicted: Values, gold: Values) -> Values:
    """The mean over the classes that have rows of others."""
    others = gold.sum(axis=1, keepdims=True) - gold
    known = ratio(others - (predicted - hits), others)
    return ratio(np.nansum(known, axis=1), (~np.isnan(known)).sum(axis=1))


def _mcc(sides: tuple[Values, Values, Values]) -> Values:
    """Gorodkin's R_K (2004), which for two classes is Matthews' correlation."""
    hits, predictions, rows = sides
    total = rows.sum(axis=1)
    above = hits.sum(axis=1) * total - (rows * predictions).sum(axis=1)
    below = np.sqrt((total**2 - (rows**2).sum(axis=1)) * (total**2 - (predictions**2).sum(axis=1)))
    return ratio(above, below)
