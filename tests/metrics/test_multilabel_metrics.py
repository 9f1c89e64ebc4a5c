"""Measures of several labels a row are scikit-learn's, and thresholds are the best there are."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from workbench.contracts.coding import decode
from workbench.contracts.events.eval_event import ClassScores
from workbench.metrics.catalog import of_task
from workbench.metrics.multilabel import MultiLabel, best_thresholds


def evaluated(shares, truth, thresholds=0.5):
    shares, truth = np.asarray(shares, float), np.asarray(truth)
    labels = [f"label {i}" for i in range(truth.shape[1])]
    return MultiLabel(labels, thresholds).compute(probabilities=shares, references=truth)


@st.composite
def cases(draw):
    rows, labels = draw(st.integers(1, 40)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = (rng.random((rows, labels)) < draw(st.sampled_from([0.1, 0.5]))).astype(int)
    shares = np.clip(truth * 0.3 + rng.random((rows, labels)) * 0.7, 0, 1)
    # Coarse shares make ties.
    return truth, shares.round(1) if draw(st.booleans()) else shares


@settings(max_examples=50, deadline=None)
@given(cases(), st.sampled_from([0.3, 0.5]))
def test_they_equal_scikit_learn(case, threshold):
    truth, shares = case
    predicted = (shares >= threshold).astype(int)
    found = evaluated(shares, truth, threshold)
    expected = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "hamming_loss": metrics.hamming_loss(truth, predicted),
    }
    without = {}
    scorers = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, scorer in scorers.items():
            for average in ("micro", "macro", "weighted", "samples"):
                key = name if average == "micro" else f"{name}_{average}"
                expected[key] = scorer(truth, predicted, average=average, zero_division=0)
                without[key] = scorer(truth, predicted, average=average, zero_division=np.nan)
    mixed = [i for i in range(truth.shape[1]) if 0 < truth[:, i].sum() < len(truth)]
    some = [i for i in range(truth.shape[1]) if truth[:, i].any()]
    areas = [metrics.roc_auc_score(truth[:, i], shares[:, i]) for i in mixed]
    expected["roc_auc"] = np.mean(areas) if mixed else np.nan
    averages = [metrics.average_precision_score(truth[:, i], shares[:, i]) for i in some]
    expected["pr_auc"] = np.mean(averages) if some else np.nan
    expected["log_loss"] = np.mean(
        [metrics.log_loss(truth[:, i], shares[:, i], labels=[0, 1]) for i in range(truth.shape[1])]
    )
    assert found["scalars"].keys() | set(found["undefined"]) == expected.keys()
    assert found["scalars"].keys() & set(found["undefined"]) <= without.keys()
    assert expected.keys() <= of_task("text-classification", "multi-label").keys()
    for name, value in expected.items():
        if np.isnan(value):
            assert name in found["undefined"], name
        else:
            assert found["scalars"][name] == pytest.approx(value, abs=1e-9), name
    defined = found["report"].get("defined_only", {})
    for name, value in without.items():
        if name not in found["undefined"]:
            assert found["scalars"][name] == pytest.approx(value, abs=1e-9), name
        elif name in defined:
            assert defined[name] == pytest.approx(value, abs=1e-9), name
        else:
            # Nothing has a value. Of weighted means scikit-learn then makes up a 0.
            assert np.isnan(value) or (name.endswith("_weighted") and value == 0)


def scores(label, support, precision, recall, specificity, f1, missed=None):
    ratios = {"precision": precision, "recall": recall, "specificity": specificity, "f1": f1}
    return ClassScores(label=label, support=support, **ratios, missed=missed)


def test_each_label_has_its_own_matrix_and_figures():
    report = evaluated([[0.9, 0.2], [0.8, 0.7], [0.1, 0.6]], [[1, 0], [0, 1], [0, 0]], [0.5, 0.65])["report"]
    assert report["confusions"] == [[[1, 1], [0, 1]], [[2, 0], [0, 1]]]
    assert report["thresholds"] == [0.5, 0.65]
    first, second = (decode(ClassScores, entry) for entry in report["per_class"])
    assert first == scores("label 0", 1, 0.5, 1.0, 0.5, pytest.approx(2 / 3))
    assert second == scores("label 1", 1, 1.0, 1.0, 1.0, 1.0)


def test_rows_without_any_label_that_are_called_nothing_are_right():
    found = evaluated([[0.1, 0.1], [0.2, 0.2]], [[0, 0], [0, 0]])
    assert found["scalars"]["accuracy"] == 1.0
    assert found["scalars"]["hamming_loss"] == 0.0
    assert {"precision", "recall", "f1", "f1_samples", "roc_auc", "pr_auc"} <= set(found["undefined"])


def test_probabilities_that_are_no_numbers_leave_the_areas_undefined():
    found = evaluated([[np.nan, 0.5], [0.7, 0.1]], [[1, 0], [1, 0]])
    assert {"roc_auc", "pr_auc", "log_loss"} <= set(found["undefined"])


def f1_at(threshold, shares, truth):
    predicted = shares >= threshold
    return 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum())


@settings(max_examples=50, deadline=None)
@given(cases())
def test_no_threshold_is_better_than_the_best(case):
    truth, shares = case
    for threshold, label, share in zip(best_thresholds(shares, truth), truth.T > 0, shares.T, strict=True):
        if not label.any():
            assert threshold == 0.5
            continue
        every = [0.5, *np.unique(share)]
        assert f1_at(threshold, share, label) == max(f1_at(other, share, label) for other in every)
        if f1_at(0.5, share, label) == f1_at(threshold, share, label):
            assert threshold == 0.5, "of thresholds as good, the nearest to a half"


def test_a_label_told_apart_below_a_half_has_its_threshold_there():
    found = best_thresholds(np.array([[0.1], [0.2], [0.3], [0.4]]), np.array([[0], [0], [1], [1]]))
    assert found == [pytest.approx(0.25)]


@pytest.mark.parametrize(
    ("shares", "truth", "fault"),
    [
        (np.zeros((0, 2)), np.zeros((0, 2)), "no rows"),
        ([[0.5, 0.5]], [[0, 2]], "0 or 1"),
        ([[0.5, 0.5]], [[0, 0.9]], "0 or 1"),
        ([[0.5]], [[1, 0]], "each of 2 labels"),
    ],
)
def test_input_that_would_be_bent_is_refused(shares, truth, fault):
    with pytest.raises(ValueError, match=fault):
        MultiLabel(["a", "b"]).compute(probabilities=np.asarray(shares), references=np.asarray(truth))
