"""A run from its recipe to its model, as its log tells it."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from workbench.core.errors import BadInput
from workbench.tasks.spec import predictor
from workbench.train import checkpoints
from workbench.train.meter import Diverged


def test_a_run_tells_its_whole_story(runs, logged):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    asked = ("evaluate.best=accuracy", 'evaluate.metrics=["ece", "recall"]')
    run = runs.make("story", "train.epochs=3", "train.keep_checkpoints=1", *asked)
    ended = runs.train(run)
    assert ended.state == "completed"

    (plan,) = logged(run, "plan")
    assert plan.total_steps == 30
    assert plan.steps_per_epoch == 10
    assert plan.new_weights == ("classifier.bias", "classifier.weight")
    assert (plan.best, plan.direction) == ("eval/accuracy", "max")
    (data,) = logged(run, "data")
    assert data.splits["train"].rows == 75
    assert data.splits["train"].labels == {"negative": 38, "positive": 37}

    steps = logged(run, "step")
    assert [event.step for event in steps] == list(range(1, 31))
    assert all(event.scalars.keys() == {"train/loss", "train/learning_rate", "train/grad_norm"} for event in steps)
    assert steps[0].scalars["train/learning_rate"] == pytest.approx(5e-3)
    assert steps[-1].tokens == 3 * data.splits["train"].tokens
    assert steps[9].epoch == 1.0

    judged = logged(run, "eval")
    assert [event.split for event in judged] == ["validation"] * 3 + ["test"]
    # What chooses the checkpoint and what the recipe asks for is told first.
    assert list(judged[0].scalars)[:5] == ["eval/loss", "eval/accuracy", "eval/ece", "eval/recall", "eval/f1"]
    # Of equal accuracies that with the smaller loss is kept.
    best = max(judged[:3], key=lambda event: (event.scalars["eval/accuracy"], -event.scalars["eval/loss"])).step
    assert sum(map(sum, judged[0].confusion)) == 20
    assert judged[-1].step == best
    assert 0.0 <= judged[-1].scalars["test/accuracy"] <= 1.0

    kept = {checkpoints.step_of(path) for path in checkpoints.all_sealed(run.checkpoints)}
    assert kept == {best, 30}
    assert json.loads((run.model / "workbench.json").read_text())["step"] == best
    model = AutoModelForSequenceClassification.from_pretrained(run.model)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert AutoTokenizer.from_pretrained(run.model)("good")["input_ids"] == [2, 4, 3]

    # The kept predictions are those of the kept weights, to the row and to the figure.
    table = pq.read_table(run.predictions / "test.parquet").to_pydict()
    assert table["row"] == list(range(20))
    said = predictor("text-classification", run.model).predict(table["text"])
    for row, answer in enumerate(said):
        shares = [answer.probabilities[name] for name in ("negative", "positive")]
        # Training judges in bf16 where the processor has it.
        assert shares == pytest.approx(table["probabilities"][row], abs=0.03)
    right = sum(label == called for label, called in zip(table["label"], table["prediction"], strict=True))
    assert right / 20 == judged[-1].scalars["test/accuracy"]
    assert np.mean(table["loss"]) == pytest.approx(judged[-1].scalars["test/loss"], rel=1e-5)


def test_accumulated_batches_make_the_step_of_the_whole_batch(runs, logged):
    together = runs.make("together", "train.batch_size=8", "train.gradient_accumulation=1", *EXACT)
    apart = runs.make("apart", "train.batch_size=2", "train.gradient_accumulation=4", *EXACT)
    runs.train(together)
    runs.train(apart)
    for whole, parts in zip(logged(together, "step"), logged(apart, "step"), strict=True):
        for name in ("train/loss", "train/grad_norm"):
            assert parts.scalars[name] == pytest.approx(whole.scalars[name], rel=1e-3)


EXACT = ("train.precision=fp32", "model.dropout=0", "train.max_steps=12", "evaluate.every=never", "data.test=none")


def test_the_rows_are_all_seen_once_an_epoch_whatever_is_evaluated(runs, logged):
    seldom = runs.make("seldom", "train.epochs=1", "evaluate.every=never")
    often = runs.make("often", "train.epochs=1", "evaluate.every=1", "train.save_every=2")
    runs.train(seldom)
    runs.train(often)
    losses = [[event.scalars["train/loss"] for event in logged(run, "step")] for run in (seldom, often)]
    assert losses[0] == losses[1]
    assert (seldom.model / "model.safetensors").exists()


def test_a_loss_that_is_gone_ends_the_run_with_the_step(runs, logged):
    run = runs.make(
        "gone", "train.learning_rate=1e30", "train.max_grad_norm=0", "train.save_every=1", "evaluate.every=never"
    )
    with pytest.raises(Diverged) as end:
        runs.train(run)
    steps = logged(run, "step")
    first = next(event.step for event in steps if not math.isfinite(event.scalars["train/loss"]))
    assert end.value.step == first
    assert f"since step {first}" in end.value.sentence
    # What has no numbers in it is not kept.
    sealed = [checkpoints.step_of(path) for path in checkpoints.all_sealed(run.checkpoints)]
    assert max(sealed, default=0) < first


def test_a_save_that_does_not_fit_is_said_and_training_goes_on(runs, logged, monkeypatch):
    run = runs.make("full", "train.save_every=5")
    usage = shutil.disk_usage

    def full(path):
        return usage(path)._replace(free=1 << 20)

    monkeypatch.setattr(shutil, "disk_usage", full)
    assert runs.train(run).state == "completed"
    failed = [event for event in logged(run, "warning") if event.code == "checkpoint-failed"]
    assert "MiB are needed and 1 MiB are free" in failed[0].text
    assert not list(run.checkpoints.iterdir())
    assert len(logged(run, "step")) == 20
    assert (run.model / "model.safetensors").exists()


def test_a_save_that_breaks_off_leaves_nothing_behind(runs, logged, monkeypatch):
    run = runs.make("broken", "train.epochs=1", "train.save_every=4")
    monkeypatch.setattr(torch, "save", _refuse)
    assert runs.train(run).state == "completed"
    failed = [event for event in logged(run, "warning") if event.code == "checkpoint-failed"]
    assert len(failed) >= 2
    assert not list(run.checkpoints.iterdir())


def _refuse(*parts, **options):
    raise RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed writing file data/3")


def test_asked_to_stop_before_it_began_it_does_not_begin(runs, logged):
    run = runs.make("never")
    run.stop_request.write_text('{"t": 0, "now": false}')
    ended = runs.train(run)
    assert (ended.state, ended.reason) == ("stopped", "asked to before training began")
    assert not logged(run, "step")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("evaluate.best=accuracies", "no metric 'accuracies' (did you mean 'accuracy'?)"),
        ("data.max_length=65", "65 tokens are more than the model's 64 positions"),
        ("train.precision=fp16", "a CPU does not train in fp16"),
        ("data.label=text", "classes"),
        ("data.train=nowhere.jsonl", "nowhere.jsonl"),
        ("model.name=/nowhere", "/nowhere"),
    ],
)
def test_what_cannot_be_is_said_before_training(runs, logged, change, sentence):
    run = runs.make("bad", change)
    with pytest.raises(BadInput) as refused:
        runs.train(run)
    assert sentence in refused.value.sentence
    assert not logged(run, "step")


def test_the_process_says_how_it_ended(runs, logged):
    run = runs.make("process", "train.epochs=1", "data.max_length=65")
    assert runs.start(run).wait() == 2
    (end,) = logged(run, "finished")
    assert (end.state, end.exit_code) == ("failed", 2)
    assert "64 positions" in end.reason
