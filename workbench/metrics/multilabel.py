"""Any number of labels a row: each label by itself, all decisions together, and row by row.

Plain `precision`, `recall` and `f1` are micro, over all decisions; `_macro` is the mean over labels, `_weighted` the
mean by how many rows a label has, `_samples` the mean over rows; a ratio that divides by nothing, as of a label that is
never predicted, counts as 0, as in scikit-learn. `accuracy` is that of whole rows (subset accuracy), `hamming_loss` the
share of wrong decisions, `roc_auc` and `pr_auc` the means over the labels that have one, `log_loss` the mean binary
cross entropy in nats.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Final

import datasets
import evaluate
import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.contracts.coding import encode
from workbench.metrics import areas, intervals
from workbench.metrics.areas import ClassArea
from workbench.metrics.base import InMemoryMetric, Measured, mean, outcome
from workbench.metrics.confusion import Confusion, ratio
from workbench.metrics.intervals import CLASS_RATIOS, ClassRatio, Found

Marks = NDArray[np.bool_]
Shares = NDArray[np.float64]
_MOST_LABELS: Final = 50  # whose sums over rows are drawn: of more the means have their exact, wider intervals


class MultiLabel(InMemoryMetric):
    """`compute(probabilities=[rows, labels], references=[rows, labels] of 0 and 1)`.

    A label is predicted where its probability is at least its threshold. Gives `{"scalars", "undefined", "report":
    {per_class, confusions, thresholds, intervals}}`; a confusion is `[[true negatives, false positives], [false
    negatives, true positives]]` of its label. Raises ValueError on no rows at all, and on references other than 0
    and 1.
    """

    WHOLE: ClassVar[tuple[str, ...]] = ()

    def __init__(self, labels: Sequence[str], thresholds: Sequence[float] | float = 0.5, **options: object) -> None:
        self.labels = tuple(labels)
        self.thresholds = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), len(self.labels))
        super().__init__(**options)

    def _info(self) -> evaluate.MetricInfo:
        features = {
            "probabilities": datasets.Sequence(datasets.Value("float64")),
            "references": datasets.Sequence(datasets.Value("float64")),
        }
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation="",
            inputs_description=str(type(self).__doc__),
            features=datasets.Features(features),
        )

    def _compute(self, probabilities: ArrayLike, references: ArrayLike) -> Measured:
        shares, given = np.asarray(probabilities, dtype=np.float64), np.asarray(references, dtype=np.float64)
        self._check(shares, given)
        truth, predicted = given == 1, shares >= self.thresholds
        tables = [confusion(*pair) for pair in zip(truth.T, predicted.T, strict=True)]
        entries = [
            dataclasses.replace(table.report()[1], label=label)
            for label, table in zip(self.labels, tables, strict=True)
        ]
        report = {
            "per_class": [encode(entry) for entry in entries],
            "confusions": [[list(row) for row in table.counts] for table in tables],
            "thresholds": self.thresholds.tolist(),
        }
        there, defined = _ratios(truth, predicted)
        finite = bool(np.isfinite(shares).all())
        each = [ClassArea.of(*pair) for pair in zip(truth.T, shares.T, strict=True)] if finite else []
        losses = log_losses(truth, shares)
        values = there | _decisions(truth, predicted) | areas.values(each, every=False)
        values["log_loss"] = float(losses.mean()) if finite else None
        found = _intervals(truth, predicted) | areas.bounds(each, every=False)
        found |= intervals.of_rows(np.stack([losses, np.ones(len(losses))], axis=1), {"log_loss": mean})
        return outcome(values, report, found, defined)

    def _check(self, shares: Shares, given: Shares) -> None:
        if not given.size:
            raise ValueError("there are no rows to evaluate")
        if shares.shape != given.shape or shares.shape[1:] != (len(self.labels),):
            raise ValueError(f"each row has a probability and a reference of each of {len(self.labels)} labels")
        if not np.isin(given, (0, 1)).all():
            raise ValueError("references are 0 or 1 for each label")


def confusion(truth: Marks, predicted: Marks) -> Confusion:
    """Of one label, [rows] each."""
    flat = np.bincount(2 * truth.astype(np.int64) + predicted, minlength=4).tolist()
    return Confusion(("no", "yes"), ((flat[0], flat[1]), (flat[2], flat[3])))


def _ratios(truth: Marks, predicted: Marks) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Every average of precision, recall and F1; and of those where something divides by nothing, without that."""
    values: dict[str, float | None] = {}
    defined: dict[str, float | None] = {}
    both = truth & predicted
    for name in CLASS_RATIOS:
        averages = {
            name: _parts(name, both.sum(), predicted.sum(), truth.sum()),
            f"{name}_macro": _parts(name, *(marks.sum(axis=0) for marks in (both, predicted, truth))),
            f"{name}_samples": _parts(name, *(marks.sum(axis=1) for marks in (both, predicted, truth))),
        }
        weights = truth.sum(axis=0)
        for key, (part, whole) in averages.items():
            _average(key, part, whole, np.ones(len(part)), values, defined)
        _average(f"{name}_weighted", *averages[f"{name}_macro"], weights, values, defined)
    return values, defined


def _parts(name: ClassRatio, *sides: NDArray[np.int64]) -> tuple[Shares, Shares]:
    hits, predicted, gold = (np.atleast_1d(side).astype(np.float64) for side in sides)
    if name == "f1":
        return 2 * hits, predicted + gold
    return hits, predicted if name == "precision" else gold


def _average(
    key: str, part: Shares, whole: Shares, weights: Shares,
    values: dict[str, float | None], defined: dict[str, float | None],
) -> None:  # fmt: skip
    """Put the mean of the ratios into `values`, and where some divide by nothing that of the others into `defined`."""
    ratios, known = intervals.ratio(part, whole, 0.0), whole > 0
    values[key] = ratio(float(ratios @ weights), float(weights.sum())) or 0.0
    if not known[weights > 0].all() or not weights.any():
        defined[key] = ratio(float(ratios[known] @ weights[known]), float(weights[known].sum()))


def _decisions(truth: Marks, predicted: Marks) -> dict[str, float | None]:
    return {
        "accuracy": float((truth == predicted).all(axis=1).mean()),
        "hamming_loss": float((truth != predicted).mean()),
    }


def _intervals(truth: Marks, predicted: Marks) -> dict[str, Found]:
    """Of what is made of decisions. Those of one row hang together: it is rows that are drawn."""
    both = truth & predicted
    sums = [marks.sum(axis=1) for marks in (both, predicted, truth, truth != predicted, np.ones_like(truth))]
    whole = [(truth == predicted).all(axis=1), np.ones(len(truth))]
    samples = [intervals.class_ratio(name, *sums[:3]) for name in CLASS_RATIOS]
    parts = np.stack([*sums, *whole, *samples], axis=1).astype(np.float64)
    measures: dict[str, intervals.Measure] = {
        "accuracy": intervals.Share(5, 6),
        "precision": intervals.Share(0, 1),
        "recall": intervals.Share(0, 2),
        "f1": intervals.F1(0, 1, 2),
        "hamming_loss": intervals.Share(3, 4),
    }
    for place, name in enumerate(CLASS_RATIOS):
        measures[f"{name}_samples"] = intervals.Share(7 + place, 6)
    return intervals.of_rows(parts, measures) | _of_labels(both, predicted, truth)


def _of_labels(*sides: Marks) -> dict[str, Found]:
    """Of means over labels, [rows, labels] each of hits, predictions and truth."""
    labels = sides[0].shape[1]
    measures = {
        f"{name}_{end}": intervals.ClassMean(name, 0, labels, weighted=end == "weighted", every=True)
        for name in CLASS_RATIOS
        for end in ("macro", "weighted")
    }
    if labels > _MOST_LABELS:
        sums = np.concatenate([side.sum(axis=0) for side in sides])[np.newaxis].astype(np.float64)
        return {name: measure.exact(sums) for name, measure in measures.items() if np.isfinite(measure(sums)).all()}
    return intervals.of_rows(np.concatenate(sides, axis=1), measures)


def log_losses(truth: Marks, shares: Shares) -> Shares:
    """The mean binary cross entropy of each row, in nats. A probability of 0 counts as the smallest step above it."""
    step = np.finfo(np.float64).eps
    sure = np.clip(np.where(truth, shares, 1 - shares), step, 1 - step)
    found: Shares = -np.log(sure).mean(axis=1)
    return found


def best_thresholds(probabilities: Shares, references: ArrayLike) -> list[float]:
    """For each label the threshold with the best F1; of those as good the nearest to 0.5.

    Both are [rows, labels]. 0.5 for a label that no row has, and where a probability is no number.
    """
    columns = zip(np.asarray(probabilities, dtype=np.float64).T, np.asarray(references).T > 0, strict=True)
    return [_best(shares, truth) for shares, truth in columns]


def _best(shares: Shares, truth: Marks) -> float:
    if not truth.any() or not np.isfinite(shares).all():
        return 0.5
    order = np.argsort(-shares, kind="stable")
    ranked = shares[order]
    # A cut is where the next row down has a smaller probability: rows of one probability are predicted together.
    cuts = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))
    f1 = 2 * np.cumsum(truth[order])[cuts] / (cuts + 1 + truth.sum())
    below = np.append(ranked, 0.0)[cuts + 1]
    thresholds = [_between(*pair) for pair in zip(below[f1 == f1.max()], ranked[cuts][f1 == f1.max()], strict=True)]
    return min(thresholds, key=lambda threshold: abs(threshold - 0.5))


def _between(below: float, above: float) -> float:
    """A threshold that predicts `above` and not `below`: 0.5 if that does, else midway."""
    return 0.5 if below < 0.5 <= above else float((below + above) / 2)
