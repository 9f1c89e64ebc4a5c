"""ROC, precision–recall and calibration as pure functions: what is read of an event, and what a threshold gives."""

from __future__ import annotations

import math

import pytest

from workbench.contracts.events import EvalEvent, decode
from workbench.tui.modes.metrics.curve_figures import Curves, best_threshold, of, operating, specs, thresholds

# Six rows, scored .9 .8 .6 .5 .3 .1, of which the first, second, fourth and fifth are of the class.
PR = [[0.0, 1.0, None], [0.25, 1.0, 0.9], [0.5, 1.0, 0.8], [0.5, 2 / 3, 0.6], [0.75, 0.75, 0.5], [1.0, 0.8, 0.3]]
ROC = [[0.0, 0.0, None], [0.0, 0.5, 0.8], [0.5, 0.5, 0.6], [0.5, 1.0, 0.3], [1.0, 1.0, 0.1]]
BINS = [{"low": 0.8, "high": 0.9, "rows": 6, "confidence": 0.85, "accuracy": 0.5}]


def fields() -> dict:
    return {
        "roc": [{"label": "好评", "points": ROC}],
        "pr": [{"label": "好评", "points": PR}],
        "calibration": BINS,
    }


def curves_of(told: dict) -> Curves | None:
    return of(decode(EvalEvent, {"step": 1, **told}))


def test_a_threshold_gives_what_is_called_from_it_on() -> None:
    curves = curves_of(fields())
    assert thresholds(curves, "好评") == [0.3, 0.5, 0.6, 0.8, 0.9]
    here = operating(curves, "好评", 0.5)
    assert (here.precision, here.recall, here.alarms) == (0.75, 0.75, 0.5)
    assert here.f1 == pytest.approx(0.75)
    assert operating(curves, "好评", 0.9).alarms == 0.0


def test_the_best_threshold_is_where_f1_is_highest() -> None:
    curves = curves_of(fields())
    assert best_threshold(curves, "好评") == 0.3
    assert best_threshold(curves, "none") is None


def test_a_class_without_a_roc_curve_has_a_threshold_all_the_same() -> None:
    curves = curves_of(fields() | {"roc": []})
    here = operating(curves, "好评", 0.8)
    assert here.alarms is None
    assert not specs(curves, here, {})["roc"].lines, "a diagonal alone is no picture"


@pytest.mark.parametrize(
    "broken",
    [
        {"roc": [{"label": "a"}]},
        {"pr": [{"label": "a", "points": [[0.1, math.nan, 0.5]]}]},
        {"pr": [{"label": "a", "points": [[0.1]]}]},
        {"calibration": [{"rows": 3}]},
        {"pr": ["odd"]},
        {"pr": None, "roc": None, "calibration": None},
        {},
    ],
)
def test_what_cannot_be_read_of_an_event_is_no_picture(broken: dict) -> None:
    assert curves_of(broken) is None


def test_the_pictures_are_whole_squares_with_their_areas() -> None:
    curves = curves_of(fields())
    drawn = specs(curves, operating(curves, "好评", 0.5), {"roc_auc": 0.875, "ece": 0.35})
    assert [(spec.span, spec.reach) for spec in drawn.values()] == [((0.0, 1.0), (0.0, 1.0))] * 3
    assert [spec.note for spec in drawn.values()] == ["area 0.875", "", "ECE 0.350"]
    assert drawn["pr"].lines[-1].points == ((0.75, 0.75),)
    assert drawn["calibration"].lines[-1].points == ((0.85, 0.5),)


def test_of_several_classes_one_stands_out() -> None:
    several = fields() | {"pr": [{"label": name, "points": PR} for name in "abc"]}
    curves = curves_of(several)
    drawn = specs(curves, operating(curves, "b", 0.5), {"pr_auc": 0.5})["pr"]
    assert [line.faint for line in drawn.lines[:3]] == [True, False, True]
    assert drawn.note == "mean area 0.500"
