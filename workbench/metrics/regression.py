"""How near numbers come to what they should be.

MSE, MAE, RMSE and R² as in scikit-learn, Pearson's and Spearman's correlation as in scipy. With several targets each
figure is the mean of the targets' own where they have one (for RMSE too: it is not the root of the mean MSE).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray

from workbench.metrics import exact_intervals, intervals
from workbench.metrics.base import InMemoryMetric, Measured, outcome
from workbench.metrics.intervals import Found

Values = NDArray[np.float64]
_NAMES: Final = ("mse", "mae", "rmse", "r2", "pearson", "spearman")
_NO_RANKS: Final = "it has one from four rows on, unless all of them are in order"


class Regression(InMemoryMetric):
    """`compute(predictions=[[value of each target]], references=[[value of each target]])`.

    Gives `{"scalars", "undefined", "report": {per_target: [{target, mse, …}]}}`, None in the report
    where undefined: R² where the references are all one value, a correlation where either side is, and everything
    where a prediction is no finite number. Raises ValueError on no rows at all, and on rows that are not of all
    targets.
    """

    WHOLE: ClassVar[tuple[str, ...]] = ()

    def __init__(self, targets: Sequence[str], **options: object) -> None:
        self.targets = tuple(targets)
        super().__init__(**options)

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation="",
            inputs_description=str(type(self).__doc__),
            features=datasets.Features({"predictions": row, "references": row}),
        )

    def _compute(self, predictions: Sequence[Sequence[float]], references: Sequence[Sequence[float]]) -> Measured:
        if not len(references):
            raise ValueError("there are no rows to evaluate")
        predicted, truth = (self._columns(rows) for rows in (predictions, references))
        found = [measures(*pair) for pair in zip(predicted, truth, strict=True)]
        per_target = [{"target": name} | values for name, values in zip(self.targets, found, strict=True)]
        values = {name: _mean([values[name] for values in found]) for name in _NAMES}
        told = _intervals(predicted, truth) | {"spearman": _of_ranks([one["spearman"] for one in found], len(truth.T))}
        return outcome(values, {"per_target": per_target}, told)

    def _columns(self, rows: Sequence[Sequence[float]]) -> Values:
        """[targets, rows]."""
        if any(len(row) != len(self.targets) for row in rows):
            raise ValueError(f"each row has {len(self.targets)} numbers: {', '.join(self.targets)}")
        return np.asarray(rows, dtype=np.float64).T


def measures(predicted: Values, truth: Values) -> dict[str, float | None]:
    """All figures of one target, None where undefined. `predicted` and `truth` are [rows]."""
    from scipy.stats import rankdata

    if not (np.isfinite(predicted).all() and np.isfinite(truth).all()):
        return dict.fromkeys(_NAMES)
    errors = predicted - truth
    mse = float(np.mean(errors**2))
    constant = bool(np.ptp(truth) == 0)
    return {
        "mse": mse,
        "mae": float(np.abs(errors).mean()),
        "rmse": mse**0.5,
        "r2": None if constant else 1 - mse / float(truth.var()),
        "pearson": _pearson(predicted, truth),
        "spearman": _pearson(rankdata(predicted), rankdata(truth)),
    }


def _pearson(predicted: Values, truth: Values) -> float | None:
    if np.ptp(predicted) == 0 or np.ptp(truth) == 0:
        return None
    from_mean = [side - side.mean() for side in (predicted, truth)]
    # Each side to length 1 first: a product of lengths can leave the range of a float.
    one, other = (side / np.linalg.norm(side) for side in from_mean)
    return float(np.clip(one @ other, -1.0, 1.0))


def _of_ranks(values: Sequence[float | None], rows: int) -> Found:
    known = [exact_intervals.rank_correlation(value, rows) for value in values if value is not None]
    bounds = [one for one in known if one is not None]
    return exact_intervals.mean_of(bounds) if bounds and len(bounds) == len(known) else _NO_RANKS


def _intervals(predicted: Values, truth: Values) -> dict[str, Found]:
    """Of what is made of sums, [targets, rows] each; Spearman's ranks are not."""
    middle = truth.mean(axis=1, keepdims=True)
    x, y, error = predicted - middle, truth - middle, predicted - truth
    parts = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, np.abs(error), error * error])
    rows = parts.reshape(-1, parts.shape[-1]).T
    names = ("mse", "mae", "rmse", "r2", "pearson")

    def measure(name: str) -> intervals.Measure:
        return lambda sums: _from_sums(sums.reshape(len(sums), len(parts), -1), name)

    return intervals.of_rows(rows, {name: measure(name) for name in names})


def _from_sums(sums: Values, name: str) -> Values:
    """A measure of each draw, the mean over its targets. `sums` is [draws, parts, targets], parts as above."""
    count, x, y, xx, yy, xy, absolute, square = np.moveaxis(sums, 1, 0)
    spread_x, spread_y = xx - x * x / count, yy - y * y / count
    if name == "mae":
        values = absolute / count
    elif name == "r2":
        values = 1 - intervals.ratio(square, spread_y)
    elif name == "pearson":
        values = intervals.ratio(xy - x * y / count, np.sqrt(np.maximum(spread_x, 0) * np.maximum(spread_y, 0)))
    else:
        values = square / count if name == "mse" else np.sqrt(square / count)
    found: Values = values.mean(axis=1)
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None
