"""A result that does not clear its baseline is said; one that does is not."""

from __future__ import annotations

import pytest

from workbench.display.figures import unclear

MAJORITY = {"majority": {"accuracy": 0.6375, "loss": 0.7}, "random": {"accuracy": 0.54}}


def test_an_accuracy_that_is_the_commonest_class_is_said():
    said = unclear({"accuracy": 0.6375}, {"accuracy": (0.52, 0.74)}, MAJORITY, "eval/accuracy")
    assert said == "accuracy 0.6375 is not clearly better than the baseline 'majority' (0.6375)"


@pytest.mark.parametrize(
    ("low", "high", "said"), [(0.65, 0.9, False), (0.6, 0.9, True), (0.6375, 0.9, True), (None, None, False)]
)
def test_it_is_the_interval_that_has_to_clear_it(low, high, said):
    intervals = {} if low is None else {"accuracy": (low, high)}
    assert bool(unclear({"accuracy": 0.8}, intervals, MAJORITY)) == said


def test_of_a_loss_less_is_better():
    unigram = {"unigram": {"loss": 6.0}}
    assert not unclear({"loss": 3.0}, {"loss": (2.8, 3.2)}, unigram, "eval/loss")
    assert "unigram" in unclear({"loss": 5.9}, {"loss": (5.7, 6.1)}, unigram, "eval/loss")


def test_without_a_baseline_nothing_is_said():
    assert unclear({"accuracy": 0.1}, {}, {}) == unclear({"mcc": 0.1}, {}, MAJORITY) == ""
