"""What the Metrics pane looks at, and what of it is on screen, as pure functions of the state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.contracts.events import CalibrationBin
from workbench.metrics.confusion import Confusion
from workbench.tui.modes.metrics.curve_figures import Curves
from workbench.tui.modes.metrics.evaluation_list import Sample
from workbench.tui.modes.metrics.panels import EVERY_ROW, Layout, MatrixCell, MetricsState
from workbench.tui.modes.metrics.requests import EvaluatedRun, Evaluation

MATRIX = Confusion(("bad", "good"), ((5, 1), (2, 7)))
CLASSES = Evaluation("validation", 9, 1.0, {"loss": 0.5}, MATRIX, tuple(MATRIX.report()))
CURVED = replace(
    CLASSES, curves=Curves((), (), (CalibrationBin(low=0.75, high=0.85, rows=9, confidence=0.8, accuracy=0.7),))
)
LANGUAGE = Evaluation("validation", 9, 1.0, {"perplexity": 12.0})
NARROW, LARGE = (80, 24), (160, 45)


def shown(entry, size, state=None, samples=()):
    judged = EvaluatedRun("a", "a", "task", "completed", (entry,) if entry else (), samples)
    return set(Layout.of(state or MetricsState(split="validation"), judged, entry, *size).widgets)


ROWS = MetricsState(split="validation", panel="rows")
OPEN = MetricsState(split="validation", panel="curves")


@pytest.mark.parametrize("size", [NARROW, LARGE])
def test_a_run_without_an_evaluation_has_only_the_table_of_runs(size):
    assert shown(None, size) == {"metrics", "about"}


def test_rows_take_the_place_of_the_classes_and_the_matrix_stays():
    assert shown(CLASSES, NARROW) == {"metrics", "about", "evaluation", "confusion", "classes"}
    assert shown(CLASSES, LARGE, ROWS) == {"metrics", "about", "evaluation", "confusion", "rows"}
    assert "metrics" not in shown(CLASSES, NARROW, ROWS), "a narrow screen has no room for the runs as well"


def test_a_tall_screen_has_the_curves_below_and_a_low_one_in_place_of_the_matrix():
    assert {"curves", "confusion"} <= shown(CURVED, LARGE)
    assert "curves" not in shown(CURVED, NARROW)
    assert "curves" not in shown(CURVED, LARGE, ROWS)
    assert shown(CURVED, NARROW, OPEN) == {"about", "curves"}
    assert shown(CURVED, LARGE, OPEN) == {"metrics", "about", "curves"}


def test_what_generates_has_its_scores_and_samples():
    assert shown(LANGUAGE, NARROW) == {"metrics", "about", "evaluation", "scores"}
    assert "samples" in shown(LANGUAGE, NARROW, samples=(Sample(9, "The", " end"),))
    assert shown(LANGUAGE, NARROW, ROWS) == {"about", "evaluation", "rows"}
    assert shown(LANGUAGE, LARGE, ROWS) == {"metrics", "about", "evaluation", "scores", "rows"}


def test_classes_of_several_labels_have_no_matrix():
    assert "confusion" not in shown(replace(CLASSES, confusion=None), NARROW)


def test_a_comparison_has_its_line():
    assert "paired" in shown(CLASSES, NARROW, MetricsState(split="validation", comparison=("against a", "p 0.4")))


def test_what_is_looked_at_stays_as_long_as_it_is_there():
    judged = EvaluatedRun("a", "a", "task", "completed", (CURVED, replace(CLASSES, split="test")))
    assert MetricsState().over(judged) == MetricsState(split="validation")
    assert OPEN.over(judged) == OPEN
    assert replace(ROWS, cell=MatrixCell("bad", "good")).over(judged).cell == ("bad", "good")
    assert replace(OPEN, split="test").over(judged).panel == "evaluation", "that split has no curves"
    assert replace(ROWS, split="gone").over(judged) == MetricsState(split="validation")
    assert ROWS.over(EvaluatedRun("b", "b", "task", "running")) == MetricsState()


def test_a_cell_says_whose_rows_it_has():
    assert MatrixCell("bad", "good").words == "bad predicted as good"
    assert EVERY_ROW.words == "worst first"
