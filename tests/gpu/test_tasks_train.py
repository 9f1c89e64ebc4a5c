"""Each task learns, evaluates, samples, is stopped, goes on as if it had not been, and answers through the lab."""

from __future__ import annotations

import math

import gpu_tasks
import pytest
import torch
from gpu_runs import ON_CARD, WHOLE, evaluated, losses, of_type, weights

from workbench.contracts.lab.model_requests import ModelGenerate, ModelOpen, ModelPredict

HALF = ("bf16", "fp16") if ON_CARD else ("bf16",)
PRECISIONS = ("fp32", *HALF) if WHOLE else HALF


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_task_learns_and_is_evaluated(runs, task, precision):
    run = runs.completed(task, f"train.precision={precision}")
    (plan,) = of_type(run, "plan")
    assert plan.precision == precision
    if ON_CARD:
        assert plan.device == torch.cuda.get_device_name()
    found = losses(run)
    assert len(found) == plan.total_steps == 24
    assert all(map(math.isfinite, found))
    assert sum(found[-6:]) < sum(found[:6])
    assert [event.step for event in of_type(run, "eval")] == [12, 24]
    assert all(math.isfinite(scalars["eval/loss"]) for scalars in evaluated(run))
    tokens = [event.tokens for event in of_type(run, "step")]
    assert tokens == sorted(tokens)
    assert tokens[0] > 8


def test_the_same_run_makes_the_same_steps_on_card_and_cpu(card, runs, task):
    """In fp32 without dropout, as far as two devices round alike: TF32 off, a tenth of a percent in the first steps."""
    same = ("model.dropout=0", "train.max_steps=6", "evaluate.every=6", "train.learning_rate=1e-3")
    here, there = runs.completed(task, *same), runs.completed(task, *same, "launch.device=cpu")
    assert losses(here) == pytest.approx(losses(there), rel=2e-3)
    first, second = (evaluated(run)[0]["eval/loss"] for run in (here, there))
    assert first == pytest.approx(second, rel=2e-3)


@pytest.mark.parametrize("stop_after", [5, 14] if WHOLE else [14])
def test_a_stopped_run_goes_on_to_the_same_bits_in_fp32(runs, trained, task, stop_after):
    parted = runs.make(task)
    assert runs.train(parted, stop_after=stop_after) == "stopped"
    assert runs.train(parted) == "completed"
    whole = trained(task)
    if not _same(whole, parted) and ON_CARD:
        again = runs.completed(task)
        assert not _same(whole, again), "two whole runs are equal to the bit, and the resumed one is not"
        pytest.fail(
            "two whole runs differ as well: a kernel of this card is not deterministic, the resume is not blamed"
        )
    assert _same(whole, parted)
    assert evaluated(parted) == evaluated(whole)


def _same(one, other):
    first, second = weights(one), weights(other)
    alike = all(torch.equal(first[name], second[name]) for name in first)
    return losses(one) == losses(other) and first.keys() == second.keys() and alike


@pytest.mark.parametrize("precision", HALF)
def test_a_stopped_run_goes_on_to_the_same_loss_in_half_precision(runs, task, precision):
    if not WHOLE and task != "causal-lm":
        pytest.skip("one task shows it on a CPU")
    asked = (f"train.precision={precision}",)
    whole, parted = runs.completed(task, *asked), runs.make(task, *asked)
    assert runs.train(parted, stop_after=14) == "stopped"
    assert runs.train(parted) == "completed"
    assert losses(parted) == pytest.approx(losses(whole), rel=0.02)
    assert evaluated(parted)[-1]["eval/loss"] == pytest.approx(evaluated(whole)[-1]["eval/loss"], rel=0.02)


def test_samples_are_written_in_training(trained):
    for task in ("causal-lm", "seq2seq"):
        written = of_type(trained(task), "sample")
        assert {event.step for event in written} >= {12, 24}
        assert all(event.prompt for event in written)
    assert all(event.text for event in of_type(trained("causal-lm"), "sample"))


def test_a_model_answers_through_the_lab(trained, lab, task):
    opened = lab.ask(ModelOpen("path", str(trained(task).model)))
    assert opened.task == task
    if task == "causal-lm":
        stream = lab.stream(ModelGenerate(opened.handle, "the cat", {"max_new_tokens": 8, "temperature": 0}))
        assert "".join(piece.text for piece in stream)
        return
    question, key = gpu_tasks.QUESTIONS[task]
    answers = lab.ask(ModelPredict(opened.handle, (question,) * 3)).answers
    assert [hasattr(answer, key) for answer in answers] == [True] * 3
