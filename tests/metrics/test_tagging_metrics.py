"""Entity scores are seqeval's, and entities the model never saw are counted."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import metrics
from seqeval.scheme import IOBES

from workbench.contracts.coding import decode
from workbench.contracts.events.eval_event import ClassScores
from workbench.metrics.catalog import of_task
from workbench.metrics.tagging import Entities

GOLD = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-PER"]]
CALLED = [["B-PER", "I-PER", "O", "B-PER"], ["O", "B-PER"]]


@st.composite
def cases(draw, marks):
    tags = st.sampled_from(["O", "O", *(f"{mark}-{type_}" for mark in marks for type_ in ("PER", "LOC"))])
    rows = [draw(st.lists(st.tuples(tags, tags), min_size=1, max_size=12)) for _ in range(draw(st.integers(1, 5)))]
    # Half of the tags agree, else hardly an entity would be found.
    same = draw(st.lists(st.booleans(), min_size=1, max_size=7))
    truth = [[one for one, _ in row] for row in rows]
    predicted = [[one if same[i % len(same)] else other for i, (one, other) in enumerate(row)] for row in rows]
    return truth, predicted


@settings(max_examples=50, deadline=None)
@given(cases("BI"))
def test_they_equal_seqeval(case):
    truth, predicted = case
    found = Entities(["PER", "LOC"]).compute(predictions=predicted, references=truth)
    scalars, undefined = found["scalars"], set(found["undefined"])
    assert scalars.keys() | undefined == of_task("token-classification", "entities").keys() - {"loss"}
    assert scalars["token_accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "precision": metrics.precision_score(truth, predicted),
            "recall": metrics.recall_score(truth, predicted),
            "f1": metrics.f1_score(truth, predicted),
        }
        expected["recall_all"], expected["f1_all"] = expected["recall"], expected["f1"]
        expected["f1_macro"] = metrics.f1_score(truth, predicted, average="macro")
        for name, value in expected.items():
            # What seqeval calls NaN for want of any entity has no value here.
            assert scalars.get(name, 0.0) == pytest.approx(np.nan_to_num(value)), name
    gold, guessed = (any(tag != "O" for row in rows for tag in row) for rows in (truth, predicted))
    assert ("precision" in undefined, "recall" in undefined) == (not guessed, not gold)


@settings(max_examples=50, deadline=None)
@given(cases("BIES"))
def test_they_equal_seqeval_where_it_is_strict(case):
    truth, predicted = case
    # seqeval's strict mode fails where there is no entity at all.
    truth, predicted = [*truth, ["S-PER"], ["S-LOC"]], [*predicted, ["S-PER"], ["S-LOC"]]
    scalars = Entities(scheme="iobes").compute(predictions=predicted, references=truth)["scalars"]
    mode = {"mode": "strict", "scheme": IOBES}
    for name in ("precision", "recall", "f1"):
        assert scalars[name] == pytest.approx(getattr(metrics, f"{name}_score")(truth, predicted, **mode)), name
    assert scalars["f1_macro"] == pytest.approx(metrics.f1_score(truth, predicted, average="macro", **mode))


def scores(label, support, precision, recall, specificity, f1, missed=None):
    ratios = {"precision": precision, "recall": recall, "specificity": specificity, "f1": f1}
    return ClassScores(label=label, support=support, **ratios, missed=missed)


def test_each_type_has_its_figures():
    report = Entities(["ORG", "PER"]).compute(predictions=CALLED, references=GOLD)["report"]
    classes = [decode(ClassScores, record) for record in report["per_class"]]
    assert classes == [
        scores("ORG", 0, None, None, None, None, missed=0),
        scores("PER", 2, 2 / 3, 1.0, None, 0.8, missed=0),
        scores("LOC", 1, None, 0.0, None, 0.0, missed=0),
    ]
    assert (report["seen"], report["gold"]) == (3, 3)


@pytest.mark.parametrize("missed", [{"PER": 1, "LOC": 2}, [("PER", 1), ("LOC", 1), ("LOC", 1)]])
def test_entities_that_were_cut_off_are_missed(missed):
    found = Entities().compute(predictions=CALLED, references=GOLD, missed=missed)
    assert found["scalars"]["recall"] == pytest.approx(2 / 3)
    assert found["scalars"]["recall_all"] == pytest.approx(2 / 6)
    assert found["scalars"]["f1_all"] == pytest.approx(2 * 2 / (3 + 6))
    assert (found["report"]["seen"], found["report"]["gold"]) == (3, 6)
    assert [entry["missed"] for entry in found["report"]["per_class"]] == [2, 1]


def test_without_any_entity_only_the_tokens_have_a_figure():
    found = Entities().compute(predictions=[["O", "O"]], references=[["O", "O"]])
    ratios = ("precision", "recall", "f1", "recall_all", "f1_all")
    assert found["scalars"] == {"token_accuracy": 1.0} | dict.fromkeys(ratios, 0.0)
    assert set(found["undefined"]) == {"precision", "recall", "f1", "f1_macro", "recall_all", "f1_all"}


def test_where_all_gold_entities_were_cut_off_the_recall_over_all_is_nought():
    found = Entities().compute(predictions=[["O"]], references=[["O"]], missed={"PER": 3})
    assert found["scalars"]["recall_all"] == found["scalars"]["f1_all"] == 0.0
    assert "recall" in found["undefined"]


@pytest.mark.parametrize(
    ("predicted", "truth", "fault"),
    [([], [], "no tokens"), ([[]], [[]], "no tokens"), ([["O"]], [["O", "O"]], "as many")],
)
def test_rows_that_cannot_be_judged_are_refused(predicted, truth, fault):
    with pytest.raises(ValueError, match=fault):
        Entities().compute(predictions=predicted, references=truth)
