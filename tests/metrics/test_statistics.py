"""Intervals that cover, and tests that agree with the textbooks'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from workbench.metrics import statistics


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_mcnemar_is_the_binomial_test_on_the_rows_that_changed(rows):
    before, after = zip(*rows, strict=True)
    found = statistics.mcnemar(before, after)
    assert found.fixed == sum(not one and other for one, other in rows)
    assert found.broke == sum(one and not other for one, other in rows)
    changed = found.fixed + found.broke
    expected = binomtest(found.fixed, changed, 0.5).pvalue if changed else 1.0
    assert found.p == pytest.approx(expected)


def test_many_changes_are_judged_by_the_corrected_chi_squared():
    before = np.array([True] * 700 + [False] * 800)
    found = statistics.mcnemar(before, ~before)
    assert (found.fixed, found.broke) == (800, 700)
    # (|800 - 700| - 1)² / 1500 = 6.534, of which the upper tail with one degree of freedom is 0.010583.
    assert found.p == pytest.approx(0.010583, abs=1e-5)
    assert found.p == pytest.approx(binomtest(700, 1500, 0.5).pvalue, rel=0.02)


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside = 0
    for seed in range(300):
        interval = statistics.of_mean(rng.normal(0.3, 1, 200), seed=seed, resamples=400)
        inside += interval.low <= 0.3 <= interval.high
    assert 0.91 <= inside / 300 <= 0.98


def test_few_distinct_values_are_drawn_as_all_rows_would_be():
    values = (np.arange(500) < 430).astype(float)
    few = statistics.of_mean(values)
    # A hair apart they are all distinct, and each row is drawn.
    each = statistics.of_mean(values + np.linspace(0, 1e-9, 500))
    assert few.low == pytest.approx(each.low, abs=0.004)
    assert few.high == pytest.approx(each.high, abs=0.004)
    normal = 1.96 * np.sqrt(0.86 * 0.14 / 500)
    assert few.low == pytest.approx(0.86 - normal, abs=0.006)


def test_a_measure_of_a_confusion_matrix_has_the_interval_of_its_rows():
    counts = np.array([[72, 3], [5, 20]])

    def accuracy(drawn):
        return np.trace(drawn, axis1=1, axis2=2) / drawn.sum((1, 2))

    def recall(drawn):
        return drawn[:, 1, 1] / drawn[:, 1].sum(1)

    interval = statistics.of_counts(counts, accuracy)
    rows = statistics.of_mean([1.0] * 92 + [0.0] * 8)
    assert interval.low == pytest.approx(rows.low, abs=0.02)
    assert interval.low < 0.92 < interval.high
    assert statistics.of_counts(counts, recall).low < 0.8
    with np.errstate(invalid="ignore"):
        # One row of the class: in a third of the draws there is none, and recall is undefined.
        assert statistics.of_counts([[99, 0], [1, 0]], recall) is None


@settings(max_examples=30)
@given(st.integers(5, 300), st.integers(0, 2**16))
def test_a_model_compared_with_itself_differs_by_nothing(rows, seed):
    scores = np.random.default_rng(seed).random(rows)
    found = statistics.paired(scores, scores)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_a_real_gain_is_told_from_noise():
    rng = np.random.default_rng(0)
    before = rng.random(400)
    better = statistics.paired(before, before + 0.05 + rng.normal(0, 0.1, 400))
    assert 0 < better.low < better.mean < better.high
    assert better.p < 0.01
    noise = statistics.paired(before, before + rng.normal(0, 0.1, 400))
    assert noise.low < 0 < noise.high
    assert noise.p > 0.05


def test_under_no_difference_p_is_small_as_rarely_as_it_should_be():
    rng = np.random.default_rng(3)
    small = sum(
        statistics.paired(rng.normal(size=150), rng.normal(size=150), seed=seed, resamples=400).p < 0.05
        for seed in range(300)
    )
    assert 0.02 <= small / 300 <= 0.085


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        statistics.of_mean([])
    with pytest.raises(ValueError, match="no number"):
        statistics.paired([1.0, np.nan], [1.0, 1.0])
    with pytest.raises(ValueError, match="same rows"):
        statistics.mcnemar([True], [True, False])


def test_a_seed_has_draws_of_its_own_and_always_the_same():
    counts = np.array([[40, 7], [11, 42]])
    few, many = np.arange(60) % 7 / 7, np.random.default_rng(0).random(600)

    def first(drawn):
        return drawn[:, 0, 0] / drawn.sum((1, 2))

    measures = {
        "counts": lambda seed: statistics.of_counts(counts, first, seed=seed),
        "few kinds of rows": lambda seed: statistics.of_mean(few, seed=seed),
        "many": lambda seed: statistics.of_mean(many, seed=seed),
    }
    for name, measure in measures.items():
        assert measure(1) == measure(1), name
        assert measure(1) != measure(2), name


def test_so_many_draws_can_show_no_smaller_p():
    found = statistics.paired(np.zeros(30), np.ones(30), resamples=499)
    assert found.p == pytest.approx(2 / 500)


def test_as_many_draws_are_taken_as_are_asked_for_of_few_rows_and_of_many():
    drawn: list[int] = []

    def right(counts):
        drawn.append(len(counts))
        return counts[:, 0] / counts.sum(axis=1)

    statistics.of_counts([3, 1], right, resamples=49)
    assert drawn == [49]
    distinct = 1 + np.arange(600) / 600
    assert statistics.paired(np.zeros(600), distinct, resamples=49).p == pytest.approx(2 / 50)
    many = np.tile(distinct, 200)  # of 120,000 rows the sums are drawn, which costs no more than of few
    assert statistics.paired(np.zeros(len(many)), many, resamples=49).p == pytest.approx(2 / 50)
    assert statistics.paired(np.zeros(len(many)), many).p == pytest.approx(2 / (statistics.RESAMPLES + 1))


@pytest.mark.parametrize("place", [0, 350, 599])
def test_every_row_is_drawn_also_the_first_and_the_last(place):
    values = np.arange(600) / 1e6
    values[place] = 600
    interval = statistics.of_mean(values)
    # How often one row of many is drawn is all but Poisson of mean 1: 0 to 3 times in 95 of 100 draws.
    assert (interval.low, interval.high) == pytest.approx((0, 3), abs=0.01)


def test_a_lower_level_has_a_narrower_interval():
    values = np.random.default_rng(0).random(600)
    wide, narrow = (statistics.of_mean(values, level=level) for level in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high
    # The quantiles of a normal distribution: 0.6745 standard deviations for one half, 1.96 for 95 %.
    assert (narrow.high - narrow.low) / (wide.high - wide.low) == pytest.approx(0.6745 / 1.96, rel=0.1)
