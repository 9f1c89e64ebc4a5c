"""How far probabilities can be trusted, and what other thresholds would give: calibration, ROC and PR, made small.

Calibration is that of Guo et al. 2017, "On calibration of modern neural networks": the probability of the label that
is predicted, in 15 bins of equal width, against the share that is right. Curves are scikit-learn's; of their points
those are kept that are evenly spaced along the curve, and both its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.coding import Finite
from workbench.contracts.events.eval_event import CalibrationBin

BINS: Final = 15
MOST_CLASSES: Final = 10
_POINTS: Final = 100
_FEWEST: Final = 20
_DIGITS: Final = 4

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


def calibration(truth: Ids, predicted: Ids, shares: Values) -> list[CalibrationBin]:
    """Each bin that has rows; `low` is outside the bin."""
    sure, right = shares[np.arange(len(predicted)), predicted], predicted == truth
    place = bin_of(sure)
    rows = np.bincount(place, minlength=BINS)
    return [
        CalibrationBin(
            low=Finite(number / BINS),
            high=Finite((number + 1) / BINS),
            rows=int(rows[number]),
            confidence=Finite(float(sure[place == number].mean())),
            accuracy=Finite(float(right[place == number].mean())),
        )
        for number in np.flatnonzero(rows).tolist()
    ]


def bin_of(sure: Values) -> Ids:
    """The number of the bin of each confidence. One on the edge of two belongs to the lower."""
    found: Ids = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return found


def calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """The expected calibration error: the mean distance of accuracy and confidence, by the rows of the bins."""
    total = sum(entry.rows for entry in bins)
    gaps = (entry.rows * abs(entry.accuracy - entry.confidence) for entry in bins)
    return float(sum(gaps) / total)


def curves(truth: Ids, shares: Values, labels: Sequence[str]) -> dict[str, list[dict[str, object]]]:
    """`{"roc": [{label, points}], "pr": [{label, points}]}`: of class 1 of two, else of each of up to ten.

    A point of ROC is [false positive rate, true positive rate, threshold], of PR [recall, precision, threshold]; the
    threshold is None at the end where nothing is predicted. A class without rows, or with all of them, has no ROC; one
    without rows has no PR.
    """
    classes = [1] if len(labels) == 2 else list(range(len(labels)))
    if len(classes) > MOST_CLASSES:
        return {"roc": [], "pr": []}
    most = max(_FEWEST, _POINTS // len(classes))
    marked = [(labels[place], truth == place, shares[:, place]) for place in classes]
    return {
        "roc": [_entry(label, _roc(*pair), most) for label, *pair in marked if pair[0].any() and not pair[0].all()],
        "pr": [_entry(label, _pr(*pair), most) for label, *pair in marked if pair[0].any()],
    }


def _roc(truth: NDArray[np.bool_], score: Values) -> Values:
    from sklearn.metrics import roc_curve

    return np.stack(roc_curve(truth, score), axis=1)


def _pr(truth: NDArray[np.bool_], score: Values) -> Values:
    from sklearn.metrics import precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(truth, score, drop_intermediate=True)
    return np.stack([recall, precision, np.append(thresholds, np.inf)], axis=1)[::-1]


def _entry(label: str, points: Values, most: int) -> dict[str, object]:
    kept = [[_short(value) for value in point] for point in thinned(points, most).tolist()]
    return {"label": label, "points": kept}


def _short(value: float) -> float | None:
    return round(value, _DIGITS) if np.isfinite(value) else None


def thinned(points: Values, most: int) -> Values:
    """At most so many points of a curve [points, x y …], evenly along its length, with both ends."""
    if len(points) <= most:
        return points
    steps = np.abs(np.diff(points[:, :2], axis=0)).sum(axis=1)
    along = np.append(0.0, np.cumsum(steps))
    places = np.searchsorted(along, np.linspace(0.0, along[-1], most))
    places[-1] = len(points) - 1
    kept: Values = points[np.unique(np.append(0, places[1:]))]
    return kept
