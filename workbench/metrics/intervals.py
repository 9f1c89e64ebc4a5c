"""How sure the figures of an evaluation are: bootstrap intervals over its rows, at 95 per cent.

See `workbench.metrics.statistics`. What is undefined in more than one draw of twenty has no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workbench.metrics import statistics

Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Measure = Callable[[Values], Values]

# Intervals are taken with every evaluation: of many classes there are fewer draws, of more than this only accuracy's.
MOST_CLASSES: Final = 20
_CELLS: Final = 200_000


def of_rows(rows: Sequence[Sequence[float]] | Values, measures: Mapping[str, Measure]) -> dict[str, list[float]]:
    """`{measure: [low, high]}` of measures made of sums over rows. `rows` is [rows, parts]: what each row adds."""
    return _told(statistics.of_sums(rows, measures))


def share(part: int, whole: int) -> Measure:
    """The measure that is the sum of one part over that of another."""
    return lambda sums: ratio(sums[:, part], sums[:, whole])


def of_matrix(counts: Sequence[Sequence[int]]) -> dict[str, list[float]]:
    """`{measure: [low, high]}` of a confusion matrix; of many classes that of the accuracy alone.

    To draw rows again with replacement is to draw the cells of their matrix.
    """
    matrix = np.asarray(counts, dtype=np.int64)
    right = int(np.trace(matrix))
    found = {"accuracy": statistics.of_counts([right, int(matrix.sum()) - right], _share_of_first)}
    if len(matrix) <= MOST_CLASSES:
        found |= statistics.of_counts_each(
            matrix, _MEASURES, resamples=min(statistics.RESAMPLES, _CELLS // matrix.size)
        )
    return _told(found)


def _told(found: Mapping[str, statistics.Interval | None]) -> dict[str, list[float]]:
    return {name: [interval.low, interval.high] for name, interval in found.items() if interval is not None}


def _share_of_first(counts: Counts) -> Values:
    share: Values = counts[:, 0] / counts.sum(axis=1)
    return share


def _sides(counts: Counts) -> tuple[Counts, Counts, Counts]:
    """Hits, rows and predictions of each class, [draws, classes] each."""
    return np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)


def ratio(part: Counts | Values, whole: Counts | Values) -> Values:
    """NaN where `whole` is not above 0."""
    found: Values = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found


def _macro(by_class: Values) -> Values:
    """The mean over the classes where the ratio is defined; NaN where it is in none."""
    defined = ~np.isnan(by_class)
    total = np.where(defined, by_class, 0.0).sum(axis=1)
    return ratio(total, defined.sum(axis=1))


def _plain(by_class: Values) -> Values:
    """Of class 1 of two, else the macro mean."""
    return by_class[:, 1] if by_class.shape[1] == 2 else _macro(by_class)


def _precision(counts: Counts) -> Values:
    hits, _, predictions = _sides(counts)
    return _plain(ratio(hits, predictions))


def _recall(counts: Counts) -> Values:
    hits, rows, _ = _sides(counts)
    return _plain(ratio(hits, rows))


def _f1_by_class(counts: Counts) -> Values:
    hits, rows, predictions = _sides(counts)
    return ratio(2 * hits, rows + predictions)


def _mcc(counts: Counts) -> Values:
    """Gorodkin's R_K (2004), which for two classes is Matthews' correlation."""
    hits, rows, predictions = (side.astype(np.float64) for side in _sides(counts))
    total = rows.sum(axis=1)
    above = hits.sum(axis=1) * total - (rows * predictions).sum(axis=1)
    below = np.sqrt((total**2 - (rows**2).sum(axis=1)) * (total**2 - (predictions**2).sum(axis=1)))
    return ratio(above, below)


_MEASURES: Final = {
    "precision": _precision,
    "recall": _recall,
    "f1": lambda counts: _plain(_f1_by_class(counts)),
    "f1_macro": lambda counts: _macro(_f1_by_class(counts)),
    "mcc": _mcc,
}
