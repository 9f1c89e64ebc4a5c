"""Every measure of single-label classification, taken at once from classes, predictions and probabilities.

Ratios come from the confusion matrix (Sokolova and Lapalme 2009); areas and correlation from scikit-learn. Equal to
scikit-learn wherever both are defined. For two classes, plain `precision`, `recall`, `specificity`, `f1`, `roc_auc`
and `pr_auc` are those of class 1; for more they are macro means. `ece` is the expected calibration error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Final

import datasets
import evaluate
import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.contracts.coding import encode
from workbench.metrics import intervals
from workbench.metrics.base import InMemoryMetric, Measured, outcome
from workbench.metrics.confusion import Confusion
from workbench.metrics.curves import calibration, calibration_error, curves

Ids = NDArray[np.int64]
Shares = NDArray[np.float64]
_RATIOS: Final = ("precision", "recall", "specificity", "f1")


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
        values = (
            ratios(confusion) | scores(truth, predicted, shares) | {"ece": calibration_error(bins) if bins else None}
        )
        report: dict[str, object] = {
            "labels": list(self.labels),
            "confusion": [list(row) for row in confusion.counts],
            "per_class": [encode(entry) for entry in confusion.report()],
            "intervals": intervals.of_matrix(confusion.counts),
        }
        if finite:
            report |= {"calibration": [encode(one) for one in bins], **curves(truth, shares, self.labels)}
        return outcome(values, report)

    def _check(self, predicted: Ids, truth: Ids) -> None:
        if not len(truth):
            raise ValueError("there are no rows to evaluate")
        if min(predicted.min(), truth.min()) < 0 or max(predicted.max(), truth.max()) >= len(self.labels):
            raise ValueError(f"class ids go from 0 to {len(self.labels) - 1}")


def _counts(predicted: Ids, truth: Ids, classes: int) -> tuple[tuple[int, ...], ...]:
    flat = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return tuple(tuple(row) for row in flat.reshape(classes, classes).tolist())


def ratios(confusion: Confusion) -> dict[str, float | None]:
    """Accuracy, and precision, recall, specificity and F1 in every average; None where undefined.

    A mean is over the classes where the ratio is defined, as scikit-learn's with `zero_division=nan`.
    """
    classes = confusion.report()
    values: dict[str, float | None] = {"accuracy": confusion.accuracy}
    for name in _RATIOS:
        column = [getattr(entry, name) for entry in classes]
        macro = _mean(column, [1] * len(column))
        values[name] = column[1] if len(classes) == 2 else macro
        values[f"{name}_macro"] = macro
        values[f"{name}_weighted"] = _mean(column, [entry.support for entry in classes])
        # Each row is one decision, so that over all of them every error is a false positive and a false negative.
        values[f"{name}_micro"] = confusion.accuracy
    for unusual in ("specificity_macro", "specificity_weighted", "specificity_micro"):
        del values[unusual]
    return values


def _mean(values: Sequence[float | None], weights: Sequence[int]) -> float | None:
    defined = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = sum(weight for _, weight in defined)
    return sum(value * weight for value, weight in defined) / total if total else None


def scores(truth: Ids, predicted: Ids, shares: Shares) -> dict[str, float | None]:
    """MCC, ROC-AUC, PR-AUC and log loss; None where undefined. `shares` is [rows, classes], rows summing to 1."""
    finite = bool(np.isfinite(shares).all())
    return {
        "mcc": _mcc(truth, predicted),
        "roc_auc": _area(truth, shares, _roc) if finite else None,
        "pr_auc": _area(truth, shares, _average_precision) if finite else None,
        "log_loss": _log_loss(truth, shares) if finite else None,
    }


def _mcc(truth: Ids, predicted: Ids) -> float | None:
    """Matthews correlation. It has no value where all rows are of one class or all are predicted as one class."""
    from sklearn.metrics import matthews_corrcoef

    if len(np.unique(truth)) < 2 or len(np.unique(predicted)) < 2:
        return None
    return float(matthews_corrcoef(truth, predicted))


def _area(truth: Ids, shares: Shares, area: Callable[[NDArray[np.bool_], Shares], float | None]) -> float | None:
    """The area for class 1 of two classes, else the mean over all, each against the rest; None if one is undefined."""
    classes = [1] if shares.shape[1] == 2 else range(shares.shape[1])
    areas = [area(truth == place, shares[:, place]) for place in classes]
    defined = [value for value in areas if value is not None]
    return sum(defined) / len(defined) if defined and len(defined) == len(areas) else None


def _roc(truth: NDArray[np.bool_], score: Shares) -> float | None:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score)) if truth.any() and not truth.all() else None


def _average_precision(truth: NDArray[np.bool_], score: Shares) -> float | None:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, score)) if truth.any() else None


def _log_loss(truth: Ids, shares: Shares) -> float:
    """Probabilities of 0 count as the smallest step above it, as in scikit-learn."""
    from sklearn.metrics import log_loss

    with warnings.catch_warnings():
        # fp32 probabilities do not sum to 1 to the last digit of fp64.
        warnings.simplefilter("ignore", UserWarning)
        return float(log_loss(truth, shares, labels=list(range(shares.shape[1]))))
