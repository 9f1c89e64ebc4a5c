"""ROC, precision–recall and calibration of an evaluation, and what a threshold on them would give: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from workbench.contracts.events import CalibrationBin, EvalEvent, ThresholdCurve
from workbench.tui.widgets.chart import Series, Spec

Point = tuple[float, float, float | None]

_WHOLE: Final = (0.0, 1.0)
_BAR: Final = 7  # the shade of what a curve is held against
_HERE: Final = 4  # the shade of the point at the threshold


@dataclass(frozen=True, slots=True)
class ClassCurve:
    """One class against the rest. A point is x, y and the threshold from which both hold; None: never predicted."""

    label: str
    points: tuple[Point, ...]

    def at(self, threshold: float) -> Point:
        """The point that a threshold gives: the last one that asks for no less."""
        reached = [point for point in self.points if point[2] is None or point[2] >= threshold]
        return reached[-1] if reached else self.points[0]


@dataclass(frozen=True, slots=True)
class Curves:
    """What an eval event keeps beside its confusion matrix. Any of them may be empty."""

    roc: tuple[ClassCurve, ...]
    pr: tuple[ClassCurve, ...]
    bins: tuple[CalibrationBin, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that have a precision–recall curve; its thresholds are those one may choose."""
        return tuple(curve.label for curve in self.pr)


@dataclass(frozen=True, slots=True)
class Operating:
    """What predicting a class from a threshold on gives. `alarms` is the share of the other rows that get it too."""

    label: str
    threshold: float
    precision: float
    recall: float
    alarms: float | None

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def of(event: EvalEvent) -> Curves | None:
    """The curves of an evaluation; None where it has none, or none that can be read."""
    roc, pr = (_with_points(found or ()) for found in (event.roc, event.pr))
    curves = Curves(roc, pr, event.calibration or ())
    return curves if curves.pr or curves.bins else None


def _with_points(found: Sequence[ThresholdCurve]) -> tuple[ClassCurve, ...]:
    return tuple(ClassCurve(one.label, one.points) for one in found if one.points)


# -- thresholds ------------------------------------------------------------------------------------------------------


def thresholds(curves: Curves, label: str) -> list[float]:
    """Those at which the curves of a class have points, the lowest first."""
    return sorted({t for curve in curves.pr if curve.label == label for _, _, t in curve.points if t is not None})


def operating(curves: Curves, label: str, threshold: float) -> Operating:
    """What predicting `label` from `threshold` on gives."""
    recall, precision, _ = _of(curves.pr, label).at(threshold)
    alarms = _of(curves.roc, label).at(threshold)[0] if any(curve.label == label for curve in curves.roc) else None
    return Operating(label, threshold, precision, recall, alarms)


def best_threshold(curves: Curves, label: str) -> float | None:
    """Where F1 is highest, of the thresholds that are kept; None where there are none."""
    return max(thresholds(curves, label), key=lambda t: operating(curves, label, t).f1, default=None)


def _of(curves: Sequence[ClassCurve], label: str) -> ClassCurve:
    return next(curve for curve in curves if curve.label == label)


# -- pictures --------------------------------------------------------------------------------------------------------


def specs(curves: Curves, here: Operating | None, values: Mapping[str, float]) -> dict[str, Spec]:
    """The picture of each chart by its name. `here` is the class that stands out and the point on its curves."""
    roc = [] if here is None or here.alarms is None else [_mark(here.alarms, here.recall)]
    pr = [] if here is None else [_mark(here.recall, here.precision)]
    label = None if here is None else here.label
    area = "mean area" if len(curves.labels) > 1 else "area"
    return {
        "roc": _spec("ROC", [_bar(), *_lines(curves.roc, label), *roc], values.get("roc_auc"), area),
        "pr": _spec("precision–recall", [*_lines(curves.pr, label), *pr], values.get("pr_auc"), area),
        "calibration": _spec("calibration", [_bar(), _binned(curves.bins)], values.get("ece"), "ECE"),
    }


def _spec(title: str, lines: Sequence[Series], value: float | None, word: str) -> Spec:
    shown = tuple(lines) if any(not line.faint for line in lines if line.points) else ()
    note = "" if value is None else f"{word} {value:.3f}"
    return Spec(title, shown, _WHOLE, axis="share", note=note, reach=_WHOLE)


def _lines(curves: Sequence[ClassCurve], label: str | None) -> list[Series]:
    """The class that is looked at as it is, the others faint behind it."""
    return [
        Series(curve.label, tuple((x, y) for x, y, _ in curve.points), shade, faint=curve.label != label)
        for shade, curve in enumerate(curves)
    ]


def _bar() -> Series:
    return Series("", ((0.0, 0.0), (1.0, 1.0)), _BAR, faint=True)


def _mark(x: float, y: float) -> Series:
    return Series("", ((x, y),), _HERE, dots=True)


def _binned(bins: Sequence[CalibrationBin]) -> Series:
    return Series("", tuple((entry.confidence, entry.accuracy) for entry in bins), 2, dots=True)
