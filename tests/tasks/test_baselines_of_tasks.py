"""Baselines are what one would get by doing as they say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from workbench.tasks.shared.first_sentence import first_sentence
from workbench.tasks.shared.rows import TokenRows
from workbench.tasks.shared.unigram import unigram
from workbench.tasks.text_classification.baselines import _of_classes, _of_label_sets


def test_the_commonest_class_has_the_figures_of_scikit_learns_dummy():
    truth = np.array([0] * 51 + [1] * 29)
    found = _of_classes(np.array([1.0, 0.0]), np.bincount(truth).astype(float))
    always = np.zeros(80, int)
    assert found["accuracy"] == 0.6375
    assert found["f1"] == 0.0
    assert found["f1_macro"] == pytest.approx(metrics.f1_score(truth, always, average="macro"))
    assert found["precision_weighted"] == pytest.approx(
        metrics.precision_score(truth, always, average="weighted", zero_division=0)
    )


def test_drawn_classes_have_the_figures_to_be_expected():
    rng = np.random.default_rng(0)
    truth, prior = np.array([0] * 500 + [1] * 300 + [2] * 200), np.array([0.2, 0.5, 0.3])
    found = _of_classes(prior, np.bincount(truth).astype(float))
    drawn = [metrics.accuracy_score(truth, rng.choice(3, 1000, p=prior)) for _ in range(200)]
    assert found["accuracy"] == pytest.approx(np.mean(drawn), abs=0.005)


def test_label_sets_that_are_rare_have_no_label_for_a_baseline():
    train = np.array([[1, 0], [0, 0], [0, 1], [0, 0]], bool)
    found = _of_label_sets(train, train)
    assert found["no label"]["accuracy"] == 0.5
    assert found["no label"]["f1"] == 0.0
    assert found["random"]["hamming_loss"] == pytest.approx(0.375)


def test_tokens_by_how_common_they_are():
    train = TokenRows.pack([np.array([1, 1, 1, 2], np.int32)])
    loss, right = unigram(train, TokenRows.pack([np.array([1, 2], np.int32)]), 4)
    # Counts with one added: 1, 4, 2, 1 of 8.
    assert loss == pytest.approx(-(np.log(4 / 8) + np.log(2 / 8)) / 2)
    assert right == 0.5


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("No end", "No end"),
        ("2.5 litres! More", "2.5 litres!"),
        ("一。二。", "一。"),
        ("a\nb", "a"),
    ],
)
def test_the_first_sentence(text, first):
    assert first_sentence(text) == first
