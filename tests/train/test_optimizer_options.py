"""Optimizers, schedules, penalties, noise, and going on when memory runs out."""

from __future__ import annotations

import inspect
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file

from workbench.core.errors import BadInput
from workbench.recipe.schema import OptimizerName, ScheduleName
from workbench.tasks import recipe_union as recipe
from workbench.train import optim, optimizer_options
from workbench.train.memory import pieces

SHORT = ("train.max_steps=4", "evaluate.every=2", "train.save_every=2")


def asked(*overrides: str) -> recipe.Recipe:
    text = 'name = "x"\ntask = "text-classification"\n[model]\nname = "x"\n[data]\ntrain = "x.jsonl"\n'
    return recipe.parse(text, overrides=list(overrides))


def weights(run) -> dict[str, torch.Tensor]:
    return load_file(run.model / "model.safetensors")


def test_every_optimizer_of_trainer_is_offered_or_left_out_with_a_reason():
    from transformers.training_args import OptimizerNames

    offered = set(get_args(OptimizerName)) - {"adamw"}
    assert offered | optimizer_options.LEFT_OUT == {name.value for name in OptimizerNames}
    assert not offered & optimizer_options.LEFT_OUT


def test_every_schedule_of_trainer_is_offered_with_its_settings():
    from transformers.trainer_utils import SchedulerType

    assert set(get_args(ScheduleName)) == {name.value for name in SchedulerType} == set(optimizer_options.SCHEDULE_ARGS)


def test_the_settings_named_are_those_the_optimizers_take():
    from transformers.optimization import Adafactor

    kinds = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad,
             "rmsprop": torch.optim.RMSprop, "adafactor": Adafactor}  # fmt: skip
    for name, kind in kinds.items():
        assert set(optimizer_options.OPTIMIZER_ARGS[name]) <= set(inspect.signature(kind).parameters), name


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["train.optimizer=lion_32bit"], "pip install bitsandbytes"),
        (["train.optimizer=galore_adamw"], "pip install galore-torch"),
        (["train.optimizer=adamw_torch_4bit"], "pip install torchao"),
        (["train.optimizer=sgd", "train.optimizer_args.momentun=0.9"], "did you mean 'momentum'"),
        (["train.schedule=linear", "train.schedule_args.num_cycles=2"], "linear has no 'num_cycles'"),
        (["train.schedule=cosine_with_min_lr"], "needs min_lr"),
        (["train.schedule=reduce_lr_on_plateau", 'evaluate.every="never"'], "follows the evaluation"),
        (["train.schedule=reduce_lr_on_plateau", "train.warmup_steps=5"], "has no warm-up"),
        (["train.method=qlora"], "train.method: qlora needs"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_is_loaded(settings, said):
    assert any(said in problem for problem in optimizer_options.problems(asked(*settings)))


@pytest.mark.parametrize(
    "settings",
    [
        ["train.optimizer=sgd", "train.optimizer_args.momentum=0.9", "train.optimizer_args.nesterov=true"],
        ["train.optimizer=adafactor", "train.schedule=cosine_with_restarts", "train.schedule_args.num_cycles=2"],
        ["train.optimizer=rmsprop", "train.schedule=warmup_stable_decay", "train.warmup_steps=1"],
        ["train.optimizer_args.amsgrad=true", "train.schedule=polynomial", "train.schedule_args.power=2.0"],
        ["train.optimizer=adagrad", "train.schedule=inverse_sqrt", "train.warmup_steps=1"],
        ["train.schedule=reduce_lr_on_plateau", "train.schedule_args.patience=0", "train.schedule_args.factor=0.5"],
    ],
)
def test_a_run_with_them_resumes_to_the_same_bits(runs, settings):
    whole, halves = runs.make("whole", *SHORT, *settings), runs.make("halves", *SHORT, *settings)
    assert runs.train(whole).state == "completed"
    runs.train(halves, stop_at=3)
    assert runs.train(halves).state == "completed"
    after, again = weights(whole), weights(halves)
    assert all(torch.equal(after[name], again[name]) for name in after)


def test_a_plateau_lowers_the_learning_rate(runs, logged):
    flat = ("train.schedule=reduce_lr_on_plateau", "train.schedule_args.patience=0", "train.schedule_args.factor=0.5")
    run = runs.make("flat", *flat, "train.schedule_args.threshold=0.9", "evaluate.every=1", "train.max_steps=4")
    runs.train(run)
    rates = [event.scalars["train/learning_rate"] for event in logged(run, "step")]
    # The first evaluation sets the mark; each of the next, not ten times better, halves it.
    assert rates == pytest.approx([5e-3, 5e-3, 2.5e-3, 1.25e-3])


def test_each_layer_learns_less_than_the_one_above(tiny_bert):
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(tiny_bert)
    groups = optim.by_depth(
        model, asked("train.layer_decay=0.5", "train.learning_rate=1.0").train, ["classifier.weight"]
    )
    assert [round(group["lr"], 4) for group in groups] == [1.0, 1.0, 0.5, 0.25, 0.125]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert [weight.shape for weight in groups[0]["params"]] == [model.classifier.weight.shape]


def test_penalties_are_those_of_the_loss_itself():
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0, 0.0]))
    weight.grad = torch.zeros(3)
    told = optim.Penalty(0.1, 0.01, [weight]).add()
    other = torch.nn.Parameter(weight.detach().clone())
    loss = 0.1 * other.abs().sum() + 0.01 / 2 * other.square().sum()
    loss.backward()
    assert float(told) == pytest.approx(float(loss))
    assert torch.allclose(weight.grad, other.grad)


def test_a_penalty_is_the_same_however_a_step_is_divided(runs, logged):
    # Not Adam: it makes a whole step of the rounding where the true gradient is nothing.
    common = ("train.l1=1e-4", "train.l2=1e-2", "model.dropout=0", "train.max_steps=3", "train.optimizer=sgd")
    one = runs.make("one", *common, "train.batch_size=8", "train.gradient_accumulation=1")
    two = runs.make("two", *common, "train.batch_size=4", "train.gradient_accumulation=2")
    runs.train(one)
    runs.train(two)
    first, second = weights(one), weights(two)
    assert all(torch.allclose(first[name], second[name], atol=2e-5) for name in first)
    penalties = [event.scalars["train/penalty"] for event in logged(one, "step")]
    assert penalties == pytest.approx([event.scalars["train/penalty"] for event in logged(two, "step")], rel=1e-4)
    assert penalties[0] > 0


def test_noise_on_the_embeddings_is_exact_under_resume_and_absent_from_evaluation(runs, logged):
    noisy = (*SHORT, "train.neftune_alpha=5.0", "model.dropout=0")
    whole, halves = runs.make("whole", *noisy), runs.make("halves", *noisy)
    plain = runs.make("plain", *SHORT, "model.dropout=0", "train.learning_rate=1e-12")
    still = runs.make("still", *noisy, "train.learning_rate=1e-12")
    for run in (whole, plain, still):
        runs.train(run)
    runs.train(halves, stop_at=3)
    runs.train(halves)
    assert all(torch.equal(weights(whole)[name], tensor) for name, tensor in weights(halves).items())
    first = [logged(run, "step")[0].scalars["train/loss"] for run in (plain, still)]
    judged = [logged(run, "eval")[0].scalars["eval/loss"] for run in (plain, still)]
    assert first[0] != first[1]
    assert judged[0] == pytest.approx(judged[1], abs=1e-6)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_activations_computed_twice_make_the_same_steps(runs, method):
    common = (f"train.method={method}", "train.max_steps=3", "model.dropout=0")
    once = runs.make("once", *common)
    twice = runs.make("twice", *common, "train.activation_checkpointing=true")
    runs.train(once)
    runs.train(twice)
    name = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    first, second = load_file(once.model / name), load_file(twice.model / name)
    assert all(torch.allclose(first[key], second[key], atol=1e-6) for key in first)


@pytest.fixture
def short_of_memory(monkeypatch):
    """`short_of_memory(rows)`: from now on more rows than that at once do not fit, forward or in evaluation."""
    from transformers import BertForSequenceClassification

    forward = BertForSequenceClassification.forward

    def limit(rows: int) -> None:
        def limited(self, input_ids=None, **rest):
            if input_ids.shape[0] > rows:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return forward(self, input_ids=input_ids, **rest)

        monkeypatch.setattr(BertForSequenceClassification, "forward", limited)

    return limit


STEPS = ("model.dropout=0", "train.max_steps=6", "train.save_every=2", "train.optimizer=sgd", "train.learning_rate=0.1")


def test_out_of_memory_halves_the_batch_and_keeps_the_mathematics(runs, logged, short_of_memory):
    halved = runs.make("halved", *STEPS, "train.batch_size=2", "train.gradient_accumulation=4")
    runs.train(halved)
    short_of_memory(2)
    run = runs.make("short", *STEPS, "train.batch_size=4", "train.gradient_accumulation=2")
    assert runs.train(run).state == "completed"
    first, second = weights(halved), weights(run)
    assert all(torch.allclose(first[name], second[name], atol=2e-5) for name in first)
    (warning,) = [event for event in logged(run, "warning") if event.code == "oom-recovered"]
    assert "out of memory at step 1: from here on 2 rows at once, 4 batches to a step" in warning.text
    losses = [[event.scalars["train/loss"] for event in logged(one, "step")] for one in (halved, run)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_run_that_was_short_of_memory_resumes_in_pieces_to_the_same_bits(runs, logged, short_of_memory):
    short_of_memory(2)
    whole, halves = runs.make("whole", *STEPS), runs.make("halves", *STEPS)
    runs.train(whole)
    runs.train(halves, stop_at=3)
    assert runs.train(halves).state == "completed"
    assert all(torch.equal(weights(whole)[name], tensor) for name, tensor in weights(halves).items())
    short = [(one.attempt, one.text.split(":")[0]) for one in logged(halves, "warning") if one.code == "oom-recovered"]
    # The attempt that goes on begins with the pieces: only its evaluation, the first of all, finds the limit anew.
    assert short == [(1, "out of memory at step 1"), (2, "out of memory in evaluation")]
    assert {event.attempt for event in logged(halves, "step")} == {1, 2}


def test_a_single_row_that_does_not_fit_ends_the_run(runs, short_of_memory):
    short_of_memory(0)
    with pytest.raises(torch.OutOfMemoryError):
        runs.train(runs.make("none", *STEPS))


def test_without_recovery_the_first_time_ends_the_run(runs, short_of_memory):
    short_of_memory(2)
    with pytest.raises(torch.OutOfMemoryError):
        runs.train(runs.make("strict", *STEPS, "train.oom_recovery=false"))


def test_an_evaluation_that_does_not_fit_is_begun_anew_with_fewer_rows(runs, logged, short_of_memory):
    short_of_memory(4)
    run = runs.make("judged", *STEPS, "evaluate.batch_size=16")
    assert runs.train(run).state == "completed"
    warnings = [event.fields() for event in logged(run, "warning")]
    said = [warning["text"] for warning in warnings if warning["code"] == "oom-recovered"]
    assert said == [f"out of memory in evaluation: from here on {rows} rows at once" for rows in (8, 4)]


def test_pieces_are_all_of_the_batch_in_its_order():
    batch = {"input_ids": torch.arange(10).reshape(5, 2), "labels": torch.arange(5)}
    parts = list(pieces(batch, 2))
    assert [len(part["labels"]) for part in parts] == [3, 2]
    assert torch.cat([part["input_ids"] for part in parts]).equal(batch["input_ids"])


def test_a_schedule_that_cannot_be_made_says_where(runs):
    with pytest.raises(BadInput, match=r"train\.schedule_args"):
        runs.train(runs.make("bad", *SHORT, "train.schedule=warmup_stable_decay", "train.schedule_args.decay_type=odd"))
