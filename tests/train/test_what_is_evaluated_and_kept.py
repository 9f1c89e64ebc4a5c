"""When a run evaluates, when it ends, which weights it keeps, and that its log is never behind its checkpoints."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from workbench.contracts import events
from workbench.train import checkpoints
from workbench.train.meter import Diverged, Meter

QUICK = ("data.test=none", "train.keep_checkpoints=50", "train.precision=fp32")


def steps_of(run, logged, kind: str) -> list[int]:
    return [event.step for event in logged(run, kind)]


@pytest.mark.parametrize(
    ("every", "total", "evaluated"), [(4, 6, [4, 6]), (4, 8, [4, 8]), (9, 5, [5]), (1, 3, [1, 2, 3])]
)
def test_the_last_step_is_evaluated_and_saved_whether_or_not_the_steps_divide(runs, logged, every, total, evaluated):
    run = runs.make(
        "last", *QUICK, f"evaluate.every={every}", f"train.max_steps={total}", "train.save_every=evaluation"
    )
    runs.train(run)
    assert steps_of(run, logged, "eval") == evaluated
    assert [checkpoints.step_of(path) for path in checkpoints.all_sealed(run.checkpoints)] == evaluated


@pytest.mark.parametrize(("every", "saved"), [("5", [5, 10, 12]), ('"epoch"', [10, 12])])
def test_saving_has_an_interval_of_its_own(runs, logged, every, saved):
    run = runs.make("saved", *QUICK, "evaluate.every=never", f"train.save_every={every}", "train.max_steps=12")
    runs.train(run)
    assert steps_of(run, logged, "checkpoint") == saved
    assert not logged(run, "eval")


# Which weights are kept

EACH = (*QUICK, "evaluate.every=1", "train.save_every=evaluation")


@pytest.mark.parametrize(
    ("best", "values", "kept"),
    [
        # Of equal values that with the smaller loss, which falls here; where the loss itself chooses, the first.
        (["evaluate.best=accuracy"], [0.5, 0.9, 0.7, 0.9], 4),
        (["evaluate.best=loss"], [0.9, 0.3, 0.5, 0.3], 2),
        (["evaluate.best=accuracy", "evaluate.direction=min"], [0.5, 0.9, 0.2, 0.7], 3),
        (["evaluate.best=accuracy"], [math.nan, 0.1, math.nan, 0.0], 2),
        (["evaluate.best=accuracy"], [0.1, 0.2, 0.3, 0.4], 4),
    ],
)
def test_the_model_has_the_weights_of_the_best_step(runs, scripted, best, values, kept):
    scripted(best[0].partition("=")[2], *values)
    run = runs.make("best", *EACH, *best, "train.max_steps=4")
    runs.train(run)
    assert json.loads((run.model / "workbench.json").read_text())["step"] == kept
    model = load_file(run.model / "model.safetensors")
    for step in range(1, 5):
        saved = load_file(checkpoints.directory(run.checkpoints, step) / "model.safetensors")
        assert all(torch.equal(model[name], saved[name]) for name in model) == (step == kept)


@pytest.mark.parametrize(
    ("settings", "values", "last"),
    [
        # Once worse, a second time no better: after the second the run ends.
        (["train.early_stopping_patience=2"], [0.5, 0.4, 0.5, 0.9, 0.9], 3),
        (["train.early_stopping_patience=1"], [0.5, 0.6, 0.6, 0.9, 0.9], 3),
        # A better one in between begins the count anew.
        (["train.early_stopping_patience=2"], [0.5, 0.4, 0.6, 0.5, 0.5], 5),
        (["train.early_stopping_patience=3"], [0.5, 0.4, 0.4, 0.6, 0.5, 0.6, 0.5], 7),
        # A gain of just the threshold is none, a little more is one; all numbers are exact in binary.
        (["train.early_stopping_patience=1", "train.early_stopping_threshold=0.25"], [0.25, 0.5, 0.9], 2),
        (["train.early_stopping_patience=1", "train.early_stopping_threshold=0.125"], [0.25, 0.5, 0.5625], 3),
    ],
)
def test_a_run_ends_when_nothing_has_got_better_for_as_long_as_it_may(runs, logged, scripted, settings, values, last):
    scripted("accuracy", *values)
    run = runs.make("patient", *EACH, "evaluate.best=accuracy", f"train.max_steps={len(values) + 1}", *settings)
    ended = runs.train(run)
    assert ended.state == "completed"
    assert steps_of(run, logged, "eval") == list(range(1, last + 1))
    assert steps_of(run, logged, "step") == list(range(1, last + 1))


# The log and the checkpoints


@pytest.fixture
def seldom_written(monkeypatch):
    """As on a GPU, steps are not written one by one; here they are never due by themselves."""
    monkeypatch.setattr(Meter, "due", property(lambda meter: False))


def test_every_step_is_in_the_log_before_its_checkpoint_is(runs, logged, seldom_written):
    run = runs.make("written", *QUICK, "evaluate.every=4", "train.save_every=3", "train.max_steps=11")
    assert runs.train(run, stop_at=7).state == "stopped"
    assert runs.train(run).state == "completed"
    written: list[int] = []
    for event in events.read_all(run.events):
        if event.type == "step":
            written.append(event.step)
        elif event.type in ("eval", "checkpoint", "stopping"):
            assert written == list(range(1, event.step + 1)), f"{event.type} of step {event.step}"
    assert written == list(range(1, 12))
    tokens = {event.step: event.tokens for event in logged(run, "step")}
    sealed = checkpoints.all_sealed(run.checkpoints)
    assert {checkpoints.step_of(path) for path in sealed} >= {3, 6, 7, 9, 11}
    for path in sealed:
        state = json.loads((path / "state.json").read_text())
        assert state["tokens"] == tokens[state["step"]], path.name


def test_steps_written_seldom_are_those_written_at_once(runs, logged, monkeypatch):
    settings = (*QUICK, "evaluate.every=5", "train.max_steps=7")
    once, seldom = runs.make("once", *settings), runs.make("seldom", *settings)
    runs.train(once)
    monkeypatch.setattr(Meter, "due", property(lambda meter: False))
    runs.train(seldom)
    told = [[(event.step, event.tokens, event.scalars) for event in logged(run, "step")]
            for run in (once, seldom)]  # fmt: skip
    for (step, tokens, one), (again, counted, two) in zip(*told, strict=True):
        assert (step, tokens) == (again, counted)
        assert two == pytest.approx(one, rel=1e-6)


def test_weights_that_are_no_numbers_are_not_saved_though_nobody_has_looked_yet(runs, logged, seldom_written):
    settings = ("train.learning_rate=1e30", "train.max_grad_norm=0", "train.save_every=1", "evaluate.every=never")
    run = runs.make("gone", *QUICK, *settings)
    with pytest.raises(Diverged) as end:
        runs.train(run)
    saved = [checkpoints.step_of(path) for path in checkpoints.all_sealed(run.checkpoints)]
    assert max(saved, default=0) < end.value.step
