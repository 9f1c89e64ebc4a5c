"""Measures of numbers are those of scikit-learn and scipy, and say so where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from workbench.metrics.catalog import of_task
from workbench.metrics.regression import Regression

NAMES = ("mse", "mae", "rmse", "r2", "pearson", "spearman")


def evaluated(predicted, truth):
    predicted, truth = np.asarray(predicted, float), np.asarray(truth, float)
    predicted, truth = (side[:, None] if side.ndim == 1 else side for side in (predicted, truth))
    return Regression([f"target {i}" for i in range(truth.shape[1])]).compute(predictions=predicted, references=truth)


@settings(max_examples=50, deadline=None)
@given(st.integers(3, 40), st.integers(1, 3), st.integers(0, 2**32 - 1), st.booleans())
def test_they_equal_scikit_learn_and_scipy(rows, targets, seed, coarse):
    rng = np.random.default_rng(seed)
    truth = rng.normal(3, 2, (rows, targets))
    predicted = truth * rng.uniform(-1, 1) + rng.normal(0, 1, (rows, targets))
    if coarse:  # ties, for the ranks
        truth, predicted = truth.round(), predicted.round()
    found = evaluated(predicted, truth)
    if found["undefined"]:
        assert coarse
        return
    columns = range(targets)
    expected = {
        "mse": metrics.mean_squared_error(truth, predicted),
        "mae": metrics.mean_absolute_error(truth, predicted),
        "rmse": metrics.root_mean_squared_error(truth, predicted),
        "r2": metrics.r2_score(truth, predicted) if (np.ptp(truth, axis=0) > 0).all() else None,
    }
    if (np.ptp(truth, axis=0) > 0).all() and (np.ptp(predicted, axis=0) > 0).all():
        expected["pearson"] = np.mean([stats.pearsonr(truth[:, i], predicted[:, i]).statistic for i in columns])
        expected["spearman"] = np.mean([stats.spearmanr(truth[:, i], predicted[:, i]).statistic for i in columns])
    for name, value in expected.items():
        if value is not None:
            assert found["scalars"][name] == pytest.approx(value, abs=1e-9), name


def test_each_target_has_its_own_figures_and_the_mean_is_of_them():
    found = evaluated([[1, 5], [2, 5], [3, 8]], [[1, 1], [2, 2], [3, 3]])
    first, second = found["report"]["per_target"]
    assert (first["target"], first["mse"], first["pearson"]) == ("target 0", 0.0, pytest.approx(1.0))
    assert found["scalars"]["rmse"] == pytest.approx((first["rmse"] + second["rmse"]) / 2)
    assert found["scalars"].keys() == set(NAMES)
    assert set(NAMES) <= of_task("text-classification", "regression").keys()


def test_references_of_one_value_have_no_r2_and_no_correlation():
    found = evaluated([1, 2, 3], [2, 2, 2])
    assert set(found["undefined"]) == {"r2", "pearson", "spearman"}
    assert found["scalars"]["mse"] == pytest.approx(2 / 3)


def test_predictions_of_one_value_have_no_correlation_and_an_r2():
    found = evaluated([2, 2, 2], [1, 2, 3])
    assert set(found["undefined"]) == {"pearson", "spearman"}
    assert found["scalars"]["r2"] == 0.0


def test_a_target_without_a_figure_is_left_out_of_its_mean():
    found = evaluated([[1, 1], [2, 2], [3, 3]], [[1, 7], [2, 7], [3, 7]])
    assert found["scalars"]["r2"] == 1.0
    assert found["report"]["per_target"][1]["r2"] is None


@pytest.mark.parametrize("wild", [np.nan, np.inf])
def test_a_prediction_that_is_no_number_leaves_everything_undefined(wild):
    found = evaluated([1, wild], [1, 2])
    assert found["scalars"] == {}
    assert set(found["undefined"]) == set(NAMES)


def test_a_fraction_stays_a_fraction():
    assert evaluated([0.9, 0.1], [0.5, 0.5])["scalars"]["mae"] == pytest.approx(0.4)


@pytest.mark.parametrize(("rows", "fault"), [([], "no rows"), ([[1.0, 2.0]], "each row has 1 numbers")])
def test_rows_that_cannot_be_judged_are_refused(rows, fault):
    with pytest.raises(ValueError, match=fault):
        Regression(["stars"]).compute(predictions=rows, references=rows)
