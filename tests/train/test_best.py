"""Which checkpoint is the best, and when nothing gets better any more."""

from __future__ import annotations

import math

from workbench.train.best import Rule, Standing


def follow(rule: Rule, values: list[float | None]) -> tuple[Standing, list[bool]]:
    standing = Standing()
    bests = []
    for step, value in enumerate(values, start=1):
        bests.append(standing.update(rule, step, {} if value is None else {"f1": value}))
        if standing.ended:
            break
    return standing, bests


def test_the_best_is_the_highest_or_the_lowest_and_the_first_of_equals():
    standing, bests = follow(Rule("f1", "max"), [0.5, 0.7, 0.7, 0.6])
    assert bests == [True, True, False, False]
    assert (standing.best, standing.best_step) == (0.7, 2)
    assert follow(Rule("f1", "min"), [0.5, 0.7, 0.4])[0].best_step == 3


def test_of_equal_values_that_with_the_smaller_loss_is_the_best():
    standing, rule = Standing(), Rule("f1", "max", patience=3)
    losses = [0.5, 0.4, 0.45, math.nan]
    assert [standing.update(rule, step, {"f1": 0.7, "loss": loss}) for step, loss in enumerate(losses, 1)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert (standing.best_step, standing.loss, standing.ended) == (2, 0.4, True)
    assert Standing.parse(standing.as_json()) == standing
    assert Standing.parse({"best": 0.5, "best_step": 1, "waited": 0, "ended": False}).loss is None, "one of before"


def test_no_number_is_never_the_best():
    standing, bests = follow(Rule("f1", "max"), [math.nan, None, 0.1, math.nan])
    assert bests == [False, False, True, False]
    assert standing.best_step == 3
    assert follow(Rule("f1", "min"), [math.nan, 0.9])[0].best_step == 2


def test_patience_runs_out_after_so_many_evaluations_without_a_better_one():
    standing, bests = follow(Rule("f1", "max", patience=2), [0.5, 0.4, 0.6, 0.6, 0.5, 0.9])
    assert standing.ended
    assert len(bests) == 5
    assert standing.best_step == 3


def test_a_gain_under_the_threshold_is_the_best_but_costs_patience():
    standing, bests = follow(Rule("f1", "max", patience=2, threshold=0.1), [0.5, 0.55, 0.58, 0.9])
    assert bests == [True, True, True]
    assert standing.ended
    assert standing.best_step == 3


def test_without_a_metric_nothing_is_best():
    assert follow(Rule(None, "min"), [0.5])[1] == [False]


def test_it_is_read_back_as_it_was_written():
    standing, _ = follow(Rule("f1", "max", patience=3), [0.5, 0.4])
    assert Standing.parse(standing.as_json()) == standing
