"""The measures are scikit-learn's wherever scikit-learn has one, and say so where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from workbench.metrics.catalog import of_task
from workbench.metrics.classification import SingleLabel

RATIOS = {f"{name}{end}" for name in ("precision", "recall", "f1") for end in ("", "_macro", "_weighted")}


def evaluated(truth, predicted, shares=None, classes=2):
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if shares is None:
        shares = np.full((len(truth), classes), 0.1 / (classes - 1))
        shares[np.arange(len(truth)), predicted] = 0.9
    labels = [f"class {place}" for place in range(classes)]
    return SingleLabel(labels).compute(predictions=predicted, references=truth, probabilities=shares)


def test_the_worked_figures():
    # TP 20, FN 5, FP 3, TN 72
    truth = [1] * 25 + [0] * 75
    predicted = [1] * 20 + [0] * 5 + [1] * 3 + [0] * 72
    found = evaluated(truth, predicted)
    rounded = {
        name: round(found["scalars"][name], 2) for name in ("accuracy", "precision", "recall", "specificity", "f1")
    }
    assert rounded == {"accuracy": 0.92, "precision": 0.87, "recall": 0.80, "specificity": 0.96, "f1": 0.83}
    assert found["report"]["confusion"] == [[72, 3], [5, 20]]
    assert found["undefined"] == []


@st.composite
def cases(draw):
    classes = draw(st.integers(2, 5))
    rows = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = rng.dirichlet(np.ones(classes), rows)
    # Coarse shares make ties, which the areas must treat alike.
    if draw(st.booleans()):
        shares = np.round(shares, 1) + 1e-3
        shares /= shares.sum(axis=1, keepdims=True)
    return rng.integers(0, classes, rows), shares.argmax(axis=1), shares


@settings(max_examples=150, deadline=None)
@given(cases())
def test_they_equal_scikit_learn(case):
    truth, predicted, shares = case
    classes = shares.shape[1]
    found = evaluated(truth, predicted, shares, classes)
    scalars, undefined = found["scalars"], set(found["undefined"])
    assert scalars.keys() | undefined <= of_task("text-classification", "single-label").keys() - {"loss"}
    defined = found["report"].get("defined_only", {})
    assert not scalars.keys() & undefined - RATIOS
    ids = list(range(classes))
    expected = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "log_loss": metrics.log_loss(truth, shares, labels=ids),
    }
    without = {}
    scorers = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}

    def both(name, scorer, **how):
        """By default what divides by nothing is 0; the other value leaves it out."""
        expected[name] = scorer(truth, predicted, zero_division=0, **how)
        without[name] = scorer(truth, predicted, zero_division=np.nan, **how)

    for name, scorer in scorers.items():
        for average in ("macro", "micro", "weighted"):
            both(f"{name}_{average}", scorer, average=average)
        both(name, scorer, **({"average": "binary"} if classes == 2 else {"average": "macro"}))
    if len(set(truth)) > 1 and len(set(predicted)) > 1:
        expected["mcc"] = metrics.matthews_corrcoef(truth, predicted)
    if len(set(truth)) == classes:
        targets = np.eye(classes)[truth]
        columns = [1] if classes == 2 else ids
        expected["roc_auc"] = np.mean([metrics.roc_auc_score(targets[:, one], shares[:, one]) for one in columns])
        expected["pr_auc"] = np.mean(
            [metrics.average_precision_score(targets[:, one], shares[:, one]) for one in columns]
        )
    for name, value in expected.items():
        if np.isnan(value):
            assert name in undefined
        else:
            assert scalars[name] == pytest.approx(value, abs=1e-9), name
    for name, value in without.items():
        if name not in undefined:
            assert name not in defined
            assert scalars[name] == pytest.approx(value, abs=1e-9), name
        elif np.isnan(value) or (name.endswith("_weighted") and name not in defined):
            # No row is of a class whose ratio has a value: scikit-learn then makes up a 0.
            assert name not in defined
            assert not value > 0
        else:
            assert defined[name] == pytest.approx(value, abs=1e-9), name


def test_per_class_figures_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    entries = evaluated(truth, predicted, classes=4)["report"]["per_class"]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, predicted)
    for place, entry in enumerate(entries):
        assert entry["label"] == f"class {place}"
        assert entry["support"] == support[place]
        assert entry["precision"] == pytest.approx(precision[place])
        assert entry["recall"] == pytest.approx(recall[place])
        assert entry["f1"] == pytest.approx(f1[place])
        assert entry["specificity"] == pytest.approx(metrics.recall_score(truth != place, predicted != place))


def test_what_has_no_value_is_named_and_is_never_nan():
    found = evaluated([0, 0, 0], [0, 0, 0])
    assert {"mcc", "roc_auc", "pr_auc", "precision", "recall", "f1"} <= set(found["undefined"])
    assert not {"mcc", "roc_auc", "pr_auc"} & found["scalars"].keys()
    assert found["scalars"]["accuracy"] == 1.0
    assert all(np.isfinite(value) for value in found["scalars"].values())
    assert found["report"]["per_class"][1]["recall"] is None


def test_a_class_that_is_never_predicted_counts_as_nought_and_is_named():
    found = evaluated([0, 0, 1, 1, 2], [0, 0, 1, 1, 1], classes=3)
    assert found["scalars"]["precision_macro"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found["scalars"]["precision_weighted"] == pytest.approx((2 * 1 + 2 * 2 / 3) / 5)
    assert {"precision", "precision_macro", "precision_weighted"} == RATIOS & set(found["undefined"])
    assert found["report"]["defined_only"] == {
        "precision": pytest.approx(5 / 6),
        "precision_macro": pytest.approx(5 / 6),
        "precision_weighted": pytest.approx(5 / 6),
    }
    assert found["report"]["per_class"][2]["precision"] is None
    low, high = found["report"]["intervals"]["precision_macro"]
    assert low <= found["scalars"]["precision_macro"] <= high


def test_probabilities_that_are_no_numbers_leave_the_areas_undefined():
    shares = np.array([[0.5, 0.5], [np.nan, np.nan], [0.2, 0.8]])
    found = evaluated([0, 1, 1], [0, 0, 1], shares)
    assert {"roc_auc", "pr_auc", "log_loss"} <= set(found["undefined"])
    assert found["scalars"]["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("truth", "predicted", "fault"),
    [
        ([], [], "no rows"),
        ([0, 2], [0, 1], "from 0 to 1"),
        ([0, -1], [0, 1], "from 0 to 1"),
        ([0.9, 1.0], [0, 1], "whole"),
    ],
)
def test_input_that_would_be_bent_is_refused(truth, predicted, fault):
    with pytest.raises(ValueError, match=fault):
        SingleLabel(["a", "b"]).compute(
            predictions=np.asarray(predicted, dtype=np.int64),
            references=np.asarray(truth) if truth else np.zeros(0, np.int64),
            probabilities=np.full((len(truth), 2), 0.5),
        )


def test_nothing_is_written_to_the_users_cache(tmp_path, monkeypatch):
    import evaluate

    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path / "metrics")
    evaluated([0, 1], [0, 1])
    assert not (tmp_path / "metrics").exists()
