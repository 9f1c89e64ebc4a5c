"""How sure the figures of a classifier are, how far its probabilities hold, and what other thresholds would give."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from sklearn import metrics

from workbench.metrics.classification import SingleLabel, ratios
from workbench.metrics.confusion import Confusion
from workbench.metrics.curves import calibration, calibration_error, curves, thinned
from workbench.metrics.intervals import ALIKE, of_matrix


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
def test_a_figure_is_within_its_interval_which_narrows_with_the_rows(classes):
    few, many = (report(*drawn(rows, classes)) for rows in (100, 10_000))
    widths = {}
    for name, found in (("few", few), ("many", many)):
        assert found["report"]["intervals"].keys() == found["scalars"].keys(), "every figure has one"
        assert found["report"]["without_interval"] == {}
        for key, (low, high) in found["report"]["intervals"].items():
            assert low < found["scalars"][key] < high or key == "ece", key
        widths[name] = np.ptp(found["report"]["intervals"]["f1"])
    assert widths["many"] == pytest.approx(widths["few"] / 10, rel=0.3)


def test_the_interval_of_the_worked_accuracy():
    # Clopper and Pearson's of 92 in 100, as binom.test of R has it.
    assert of_matrix([[72, 3], [5, 20]])["accuracy"] == (
        pytest.approx(0.8484, abs=1e-4),
        pytest.approx(0.9648, abs=1e-4),
    )


@pytest.mark.parametrize("classes", [2, 3, 21])
def test_a_model_without_a_mistake_is_not_said_to_be_sure(classes):
    found = of_matrix(np.eye(classes, dtype=int) * 10)
    rows = 10 * classes
    assert found["accuracy"] == (pytest.approx(0.025 ** (1 / rows)), 1.0)
    for name in ("precision", "recall", "specificity", "f1", "f1_macro", "recall_macro", "precision_weighted"):
        low, high = found[name]
        assert 0.5 < low < 0.999, name
        assert high == 1.0, name
    assert found["mcc"] == ALIKE


def test_one_mistake_does_not_make_it_surer_than_none():
    none, one = (of_matrix([[15, wrong], [0, 15 - wrong]]) for wrong in (0, 1))
    for name in ("accuracy", "f1", "f1_macro", "recall_weighted"):
        assert one[name][0] < none[name][0], name


def test_a_class_that_nothing_is_nor_is_predicted_to_be_is_in_no_mean():
    two, three = of_matrix([[8, 2], [3, 7]]), of_matrix([[8, 2, 0], [3, 7, 0], [0, 0, 0]])
    assert three["f1_macro"] == two["f1_macro"]
    assert of_matrix([[5, 0], [0, 0]])["f1"] == (0.0, 1.0), "of nothing nothing is known"


@pytest.mark.parametrize(
    ("rows", "right", "names"),
    [
        (30, 0.99, {"accuracy", "f1_macro", "recall_macro", "f1"}),
        (300, 0.8, {"f1_macro", "precision_macro", "specificity"}),
    ],
)
def test_intervals_of_a_matrix_cover_as_often_as_they_say(rows, right, names):
    rng = np.random.default_rng(2)
    shares = np.full((3, 3), (1 - right) / 6)
    np.fill_diagonal(shares, right / 3)
    truth = ratios(Confusion(("a", "b", "c"), np.rint(shares * 3_000_000).astype(int).tolist()))
    inside = dict.fromkeys(names, 0)
    for _ in range(120):
        found = of_matrix(rng.multinomial(rows, shares.ravel()).reshape(3, 3))
        for name in names:
            interval = found[name]
            inside[name] += isinstance(interval, str) or interval[0] <= truth[name] <= interval[1]
    assert min(inside.values()) >= 0.9 * 120, inside
