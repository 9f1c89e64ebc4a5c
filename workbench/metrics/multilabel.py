"""Any number of labels a row: each label by itself, all decisions together, and row by row.

Plain `precision`, `recall` and `f1` are micro, over all decisions; `_macro` is the mean over labels, `_weighted` the
mean by how many rows a label has, `_samples` the mean over rows; each mean is over those where the ratio is defined,
as scikit-learn's with `zero_division=nan`. `accuracy` is that of whole rows (subset accuracy), `hamming_loss` the
share of wrong decisions, `roc_auc` and `pr_auc` the means over the labels that have one, `log_loss` the mean binary
cross entropy in nats.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import datasets
import evaluate
import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.contracts.coding import encode
from workbench.contracts.events.eval_event import ClassScores
from workbench.metrics import intervals
from workbench.metrics.base import InMemoryMetric, Measured, outcome
from workbench.metrics.confusion import Confusion, ratio

Marks = NDArray[np.bool_]
Shares = NDArray[np.float64]


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
            "intervals": _intervals(truth, predicted),
        }
        return outcome(_ratios(truth, predicted, entries) | _decisions(truth, predicted) | areas(truth, shares), report)

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


def _ratios(truth: Marks, predicted: Marks, entries: Sequence[ClassScores]) -> dict[str, float | None]:
    hits, predictions, trues = (marks.sum(axis=1) for marks in (truth & predicted, predicted, truth))
    supports = np.asarray([entry.support for entry in entries], dtype=np.float64)
    parts = {"precision": (hits, predictions), "recall": (hits, trues), "f1": (2 * hits, predictions + trues)}
    values: dict[str, float | None] = {}
    for name, (part, whole) in parts.items():
        by_label = np.asarray([getattr(entry, name) for entry in entries], dtype=np.float64)
        by_row = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
        values[name] = ratio(float(part.sum()), float(whole.sum()))
        values[f"{name}_macro"] = _mean(by_label, np.ones(len(entries)))
        values[f"{name}_weighted"] = _mean(by_label, supports)
        values[f"{name}_samples"] = _mean(by_row, np.ones(len(by_row)))
    return values


def _mean(values: Shares, weights: Shares) -> float | None:
    defined = ~np.isnan(values)
    return ratio(float(values[defined] @ weights[defined]), float(weights[defined].sum()))


def _decisions(truth: Marks, predicted: Marks) -> dict[str, float | None]:
    return {
        "accuracy": float((truth == predicted).all(axis=1).mean()),
        "hamming_loss": float((truth != predicted).mean()),
    }


def _intervals(truth: Marks, predicted: Marks) -> dict[str, list[float]]:
    decisions = (truth & predicted, predicted, truth, truth != predicted, np.ones_like(truth))
    whole = [(truth == predicted).all(axis=1), np.ones(len(truth))]
    rows = np.stack([*(marks.sum(axis=1) for marks in decisions), *whole], axis=1)
    measures: dict[str, intervals.Measure] = {
        "accuracy": intervals.share(5, 6),
        "precision": intervals.share(0, 1),
        "recall": intervals.share(0, 2),
        "f1": lambda sums: intervals.ratio(2 * sums[:, 0], sums[:, 1] + sums[:, 2]),
        "hamming_loss": intervals.share(3, 4),
    }
    return intervals.of_rows(rows, measures)


def areas(truth: Marks, shares: Shares) -> dict[str, float | None]:
    """ROC-AUC, PR-AUC and log loss; None where undefined, and where a probability is no number."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    if not np.isfinite(shares).all():
        return dict.fromkeys(("roc_auc", "pr_auc", "log_loss"))
    pairs = [(mark, share) for mark, share in zip(truth.T, shares.T, strict=True) if mark.any()]
    mixed = [float(roc_auc_score(*pair)) for pair in pairs if not pair[0].all()]
    some = [float(average_precision_score(*pair)) for pair in pairs]
    # A probability of 0 counts as the smallest step above it, as in scikit-learn.
    step = np.finfo(np.float64).eps
    sure = np.clip(np.where(truth, shares, 1 - shares), step, 1 - step)
    return {
        "roc_auc": ratio(sum(mixed), len(mixed)),
        "pr_auc": ratio(sum(some), len(some)),
        "log_loss": float(-np.log(sure).mean()),
    }


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
