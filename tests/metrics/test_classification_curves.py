"""How sure the figures of a classifier are, how far its probabilities hold, and what other thresholds would give."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from sklearn import metrics

from workbench.metrics import statistics
from workbench.metrics.classification import SingleLabel
from workbench.metrics.curves import calibration, calibration_error, curves, thinned
from workbench.metrics.intervals import _MEASURES, of_matrix


def drawn(rows, classes, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    shares = rng.dirichlet(np.ones(classes), rows) + 0.4 * np.eye(classes)[truth]
    return truth, shares / shares.sum(axis=1, keepdims=True)


def report(truth, shares):
    labels = [f"class {place}" for place in range(shares.shape[1])]
    return SingleLabel(labels).compute(predictions=shares.argmax(axis=1), references=truth, probabilities=shares)


def test_calibration_error_by_hand():
    # Two rows at 0.95, one right; four at 0.6 (the edge of two bins), all right.
    shares = np.array([[0.95, 0.05]] * 2 + [[0.4, 0.6]] * 4)
    bins = calibration(np.array([0, 1, 1, 1, 1, 1]), shares.argmax(axis=1), shares)
    assert [(entry.rows, entry.accuracy) for entry in bins] == [(4, 1.0), (2, 0.5)]
    assert bins[0].high == pytest.approx(9 / 15), "a bin has its upper edge"
    assert calibration_error(bins) == pytest.approx((4 * 0.4 + 2 * 0.45) / 6)


def test_probabilities_that_hold_have_hardly_an_error_and_boasts_a_great_one():
    rng = np.random.default_rng(3)
    sure = rng.uniform(0.5, 1, 20_000)
    truth = (rng.random(20_000) < sure).astype(int)
    honest = report(truth, np.stack([1 - sure, sure], axis=1))["scalars"]["ece"]
    boasting = report(truth, np.stack([np.full(20_000, 0.01), np.full(20_000, 0.99)], axis=1))["scalars"]["ece"]
    assert honest < 0.02
    assert boasting == pytest.approx(0.99 - truth.mean())


def test_probabilities_that_are_no_numbers_have_neither_calibration_nor_curves():
    found = report(np.array([0, 1]), np.array([[0.5, 0.5], [np.nan, np.nan]]))
    assert "ece" in found["undefined"]
    assert not {"calibration", "roc", "pr"} & found["report"].keys()


def test_a_thinned_curve_has_the_area_of_the_whole():
    truth, shares = drawn(5000, 2)
    found = curves(truth, shares, ["a", "b"])
    (roc,), (pr,) = found["roc"], found["pr"]
    assert roc["label"] == "b"
    assert max(len(roc["points"]), len(pr["points"])) <= 100
    x, y, thresholds = zip(*roc["points"], strict=True)
    assert (x[0], y[0], x[-1], y[-1], thresholds[0]) == (0, 0, 1, 1, None)
    assert np.trapezoid(y, x) == pytest.approx(metrics.roc_auc_score(truth, shares[:, 1]), abs=2e-3)
    recall, precision, _ = zip(*pr["points"], strict=True)
    assert (recall[0], recall[-1]) == (0, 1)
    assert np.trapezoid(precision, recall) == pytest.approx(
        metrics.average_precision_score(truth, shares[:, 1]), abs=5e-3
    )


def test_a_point_of_a_curve_is_what_its_threshold_gives():
    truth, shares = drawn(60, 2)
    for recall, precision, threshold in curves(truth, shares, ["a", "b"])["pr"][0]["points"][1:]:
        predicted = shares[:, 1] >= threshold - 5e-5
        assert recall == pytest.approx(metrics.recall_score(truth, predicted), abs=0.05)
        assert precision == pytest.approx(metrics.precision_score(truth, predicted), abs=0.05)


def test_of_several_classes_each_has_its_curve_and_of_many_none():
    truth, shares = drawn(400, 4)
    assert [entry["label"] for entry in curves(truth, shares, list("abcd"))["roc"]] == list("abcd")
    assert curves(*drawn(50, 11), [str(place) for place in range(11)]) == {"roc": [], "pr": []}


def test_a_class_that_never_occurs_has_no_curve():
    _, shares = drawn(40, 2)
    assert curves(np.zeros(40, int), shares, ["a", "b"]) == {"roc": [], "pr": []}


def test_thinning_keeps_the_ends_and_the_order():
    points = np.stack([np.linspace(0, 1, 1000), np.sqrt(np.linspace(0, 1, 1000))], axis=1)
    kept = thinned(points, 50)
    assert len(kept) <= 50
    assert (kept[0] == points[0]).all()
    assert (kept[-1] == points[-1]).all()
    assert all(one[0] < other[0] for one, other in pairwise(kept))


@pytest.mark.parametrize("classes", [2, 10])
def test_the_event_stays_small(classes):
    assert len(json.dumps(report(*drawn(3000, classes))["report"])) < 16_000


@pytest.mark.parametrize("classes", [2, 4])
def test_measures_of_many_matrices_are_those_of_each(classes):
    truth, shares = drawn(200, classes)
    found = report(truth, shares)
    counts = np.array([found["report"]["confusion"]] * 2)
    for name, measure in _MEASURES.items():
        assert measure(counts) == pytest.approx([found["scalars"][name]] * 2), name


def test_a_figure_is_within_its_interval_which_narrows_with_the_rows():
    few, many = (report(*drawn(rows, 3)) for rows in (100, 10_000))
    widths = {}
    for name, found in (("few", few), ("many", many)):
        assert found["report"]["intervals"].keys() == {"accuracy", "precision", "recall", "f1", "f1_macro", "mcc"}
        for key, (low, high) in found["report"]["intervals"].items():
            assert low < found["scalars"][key] < high
        widths[name] = np.ptp(found["report"]["intervals"]["f1"])
    assert widths["many"] == pytest.approx(widths["few"] / 10, rel=0.3)


def test_the_interval_of_the_worked_accuracy():
    low, high = of_matrix([[72, 3], [5, 20]])["accuracy"]
    normal = 1.96 * (0.92 * 0.08 / 100) ** 0.5
    assert (low, high) == (pytest.approx(0.92 - normal, abs=0.011), pytest.approx(0.92 + normal, abs=0.011))


def test_what_most_draws_leave_undefined_has_no_interval():
    # The mean F1 is that of the one class that has one.
    assert of_matrix([[5, 0], [0, 0]]) == {"accuracy": [1.0, 1.0], "f1_macro": [1.0, 1.0]}


def test_of_very_many_classes_accuracy_alone_has_one():
    assert of_matrix(np.eye(21, dtype=int) * 3).keys() == {"accuracy"}


def test_several_measures_are_taken_of_the_same_draws():
    counts = np.array([[30, 10], [5, 55]])
    both = statistics.of_counts_each(counts, _MEASURES)
    assert both["f1"] == statistics.of_counts(counts, _MEASURES["f1"])
