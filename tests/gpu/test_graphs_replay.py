"""Steps replayed as CUDA graphs are the steps that they replay; a model that cannot be captured trains without."""

from __future__ import annotations

import pytest
import torch
from gpu_runs import losses, warned, weights

# Few shapes of batch, so that each comes often enough to be captured.
FEW_SHAPES = ("train.padding=max_length", "train.max_steps=20", "evaluate.every=10", "train.save_every=10")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_replayed_step_is_the_step_that_was_captured(card, runs, task, precision, record_property):
    asked = (*FEW_SHAPES, f"train.precision={precision}")
    plain = runs.completed(task, *asked, "train.cuda_graphs=false")
    replayed = runs.completed(task, *asked, "train.cuda_graphs=true")
    for why in warned(replayed, "no-cuda-graphs"):
        record_property("not captured", why)
    # Dropout draws the same numbers either way.
    assert losses(replayed) == pytest.approx(losses(plain), rel=1e-4 if precision == "fp32" else 2e-2)
    if precision == "fp32":
        first, second = weights(plain), weights(replayed)
        same = all(torch.equal(first[name], second[name]) for name in first)
        record_property("weights after 20 steps", "the same bits" if same else "equal but for rounding")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_model_that_cannot_be_captured_trains_without(card, runs, monkeypatch, precision, record_property):
    from transformers import BertForSequenceClassification

    forward = BertForSequenceClassification.forward

    def asking(self, input_ids=None, **rest):
        # The host may not ask the card for anything while a graph is captured.
        assert int(input_ids.max()) > 0
        return forward(self, input_ids=input_ids, **rest)

    asked = (*FEW_SHAPES, f"train.precision={precision}")
    plain = runs.completed("text-classification", *asked, "train.cuda_graphs=false")
    monkeypatch.setattr(BertForSequenceClassification, "forward", asking)
    run = runs.completed("text-classification", *asked, "train.cuda_graphs=true")
    (why,) = warned(run, "no-cuda-graphs")
    record_property("not captured", why)
    assert losses(run) == pytest.approx(losses(plain), rel=1e-4 if precision == "fp32" else 2e-2)


def test_a_run_stopped_among_replayed_steps_goes_on_exactly(card, runs):
    whole, parted = runs.completed("text-classification", *FEW_SHAPES), runs.make("text-classification", *FEW_SHAPES)
    assert runs.train(parted, stop_after=13) == "stopped"
    assert runs.train(parted) == "completed"
    assert losses(parted) == losses(whole)
