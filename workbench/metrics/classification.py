"""Every measure of single-label classification, taken at once from classes, predictions and probabilities.

Ratios come from the confusion matrix (Sokolova and Lapalme 2009); areas and correlation from scikit-learn. Equal to
scikit-learn wherever that gives a value, also where precision, recall and F1 of a class that is never predicted, or has
no row, count as 0. For two classes, plain `precision`, `recall`, `specificity`, `f1`, `roc_auc` and `pr_auc` are those
of class 1; for more they are macro means. `ece` is the expected calibration error.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Final

import datasets
import evaluate
import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.contracts.coding import encode
from workbench.metrics import areas, intervals, statistics
from workbench.metrics.areas import ClassArea
from workbench.metrics.base import InMemoryMetric, Measured, mean, outcome
from workbench.metrics.confusion import Confusion
from workbench.metrics.curves import BINS, bin_of, calibration, calibration_error, curves
from workbench.metrics.intervals import CLASS_RATIOS, Found

Ids = NDArray[np.int64]
Shares = NDArray[np.float64]
_STEP: Final = float(np.finfo(np.float64).eps)  # what a probability of 0 counts as, as in scikit-learn


class SingleLabel(InMemoryMetric):
    """`compute(predictions=[n], references=[n], probabilities=[n, classes])`, ids of `labels`.

    Gives `{"scalars": {name: float}, "undefined": [name], "report": {labels, confusion, per_class, intervals,
    calibration, roc, pr}}`; the last three where all probabilities are numbers. Raises ValueError on no rows at all,
    and on ids outside the labels.
    """

    def __init__(self, labels: Sequence[str], **options: object) -> None:
        self.labels = tuple(labels)
        super().__init__(**options)

    def _info(self) -> evaluate.MetricInfo:
        features = {
            "predictions": datasets.Value("int64"),
            "references": datasets.Value("int64"),
            "probabilities": datasets.Sequence(datasets.Value("float64")),
        }
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation="",
            inputs_description=str(type(self).__doc__),
            features=datasets.Features(features),
        )

    def _compute(self, predictions: ArrayLike, references: ArrayLike, probabilities: ArrayLike) -> Measured:
        predicted, truth = np.asarray(predictions, dtype=np.int64), np.asarray(references, dtype=np.int64)
        self._check(predicted, truth)
        confusion = Confusion(self.labels, _counts(predicted, truth, len(self.labels)))
        shares = np.asarray(probabilities, dtype=np.float64)
        finite = bool(np.isfinite(shares).all())
        bins = calibration(truth, predicted, shares) if finite else []
        each = _areas(truth, shares) if finite else []
        values = ratios(confusion) | {
            "mcc": _mcc(truth, predicted),
            **areas.values(each, every=True),
            "log_loss": _log_loss(truth, shares) if finite else None,
            "ece": calibration_error(bins) if bins else None,
        }
        report: dict[str, object] = {
            "labels": list(self.labels),
            "confusion": [list(row) for row in confusion.counts],
            "per_class": [encode(entry) for entry in confusion.report()],
        }
        found = intervals.of_matrix(confusion.counts)
        if finite:
            report |= {"calibration": [encode(one) for one in bins], **curves(truth, shares, self.labels)}
            found |= _of_shares(truth, predicted, shares, calibration_error(bins)) | areas.bounds(each, every=True)
        return outcome(values, report, found, defined_only(confusion))

    def _check(self, predicted: Ids, truth: Ids) -> None:
        if not len(truth):
            raise ValueError("there are no rows to evaluate")
        if min(predicted.min(), truth.min()) < 0 or max(predicted.max(), truth.max()) >= len(self.labels):
            raise ValueError(f"class ids go from 0 to {len(self.labels) - 1}")


def _counts(predicted: Ids, truth: Ids, classes: int) -> tuple[tuple[int, ...], ...]:
    flat = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return tuple(tuple(row) for row in flat.reshape(classes, classes).tolist())


def ratios(confusion: Confusion) -> dict[str, float | None]:
    """Accuracy, and precision, recall and F1 in every average, where what divides by nothing is 0; and specificity.

    A mean is over the classes that are true or predicted anywhere, as scikit-learn's is.
    """
    classes = confusion.report()
    known = [entry.specificity for entry in classes if entry.specificity is not None]
    specificity = classes[1].specificity if len(classes) == 2 else _mean(known, [1] * len(known))
    there = [entry for entry in classes if entry.f1 is not None]
    values: dict[str, float | None] = {"accuracy": confusion.accuracy, "specificity": specificity}
    for name in CLASS_RATIOS:
        column = [getattr(entry, name) or 0.0 for entry in there]
        values[f"{name}_macro"] = _mean(column, [1] * len(column))
        values[f"{name}_weighted"] = _mean(column, [entry.support for entry in there])
        # Each row is one decision, so that over all of them every error is a false positive and a false negative.
        values[f"{name}_micro"] = confusion.accuracy
        values[name] = getattr(classes[1], name) or 0.0 if len(classes) == 2 else values[f"{name}_macro"]
    return values


def defined_only(confusion: Confusion) -> dict[str, float | None]:
    """The ratios in which some class divides by nothing, without such classes: scikit-learn's `zero_division=nan`."""
    classes = confusion.report()
    found: dict[str, float | None] = {}
    for name in CLASS_RATIOS:
        there = [(getattr(entry, name), entry.support) for entry in classes if entry.f1 is not None]
        known = [(value, support) for value, support in there if value is not None]
        values, supports = [value for value, _ in known], [support for _, support in known]
        if len(classes) == 2 and getattr(classes[1], name) is None:
            found[name] = None
        if len(known) < len(there):
            found[f"{name}_macro"] = _mean(values, [1] * len(known))
            found |= {name: found[f"{name}_macro"]} if len(classes) > 2 else {}
        if sum(supports) < confusion.total:
            found[f"{name}_weighted"] = _mean(values, supports)
    return found


def _mean(values: Sequence[float], weights: Sequence[int]) -> float | None:
    total = sum(weights)
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / total if total else None


def _of_shares(truth: Ids, predicted: Ids, shares: Shares, ece: float) -> dict[str, Found]:
    """The intervals of log loss and of the calibration error."""
    places = np.arange(len(truth))
    losses = -np.log(np.clip(shares[places, truth], _STEP, 1.0))
    found = intervals.of_rows(np.stack([losses, np.ones(len(truth))], axis=1), {"log_loss": mean})
    return found | {"ece": _of_calibration(predicted == truth, shares[places, predicted], ece)}


def _of_calibration(right: NDArray[np.bool_], sure: Shares, value: float) -> Found:
    """Of the expected calibration error: the basic bootstrap (Davison and Hinkley 1997, section 5.2).

    A sum of distances is larger in draws of the rows than in the rows, by about as much as it is larger in the rows
    than in truth: so the draws' distances from it are taken to its other side.
    """
    gaps = np.zeros((len(right), BINS))
    gaps[np.arange(len(right)), bin_of(sure)] = right - sure
    drawn = statistics.of_sums(gaps, {"ece": lambda sums: np.abs(sums).sum(axis=1) / len(right)})["ece"]
    if drawn is None or drawn.low == drawn.high:
        return intervals.ALIKE
    return max(0.0, 2 * value - drawn.high), max(value, 2 * value - drawn.low)


def _areas(truth: Ids, shares: Shares) -> list[ClassArea]:
    """Of class 1 of two classes, else of all."""
    classes = [1] if shares.shape[1] == 2 else range(shares.shape[1])
    return [ClassArea.of(truth == place, shares[:, place]) for place in classes]


def _mcc(truth: Ids, predicted: Ids) -> float | None:
    """Matthews correlation. It has no value where all rows are of one class or all are predicted as one class."""
    from sklearn.metrics import matthews_corrcoef

    if len(np.unique(truth)) < 2 or len(np.unique(predicted)) < 2:
        return None
    return float(matthews_corrcoef(truth, predicted))


def _log_loss(truth: Ids, shares: Shares) -> float:
    """Probabilities of 0 count as the smallest step above it, as in scikit-learn."""
    from sklearn.metrics import log_loss

    with warnings.catch_warnings():
        # fp32 probabilities do not sum to 1 to the last digit of fp64.
        warnings.simplefilter("ignore", UserWarning)
        return float(log_loss(truth, shares, labels=list(range(shares.shape[1]))))
