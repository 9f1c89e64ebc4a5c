"""The training loop computes what transformers' Trainer computes, to the last bit.

A run and a plain Trainer are given the same batches, the same seed and the same settings. After 20 steps on a CPU, in
fp32 or bf16, every weight is equal. In the last step there is one batch instead of two, and one row in it; but for
blocks.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plain_trainer
import pytest
import torch
from safetensors.torch import load_file

from workbench.core.rundir import RunDir
from workbench.tasks import recipe_union
from workbench.tasks.shared.rows import IGNORED

STEPS = 20
# 38 batches of 4, and one of a single row.
ROWS = 153
THINGS = "good great fine bad poor awful".split(" ")  # noqa: SIM905
OTHER = "the a film book was is not very it and but plot food phone".split(" ")  # noqa: SIM905

# Whatever a loop can get wrong is on: dropout, accumulation, decay, a warm-up, and a norm that gradients exceed.
RECIPE = """
name = "twenty-steps"
task = "{task}"
seed = 7
[model]
{model}
[data]
train = "train.jsonl"
validation = "validation.jsonl"
[train]
epochs = 1
batch_size = 4
gradient_accumulation = 2
learning_rate = 5e-3
weight_decay = 0.1
warmup_steps = 3
max_grad_norm = 0.25
precision = "fp32"
save_every = "never"
[evaluate]
every = "never"
[launch]
device = "cpu"
threads = 1
"""
LOADED = 'name = "{bert}"\ndropout = 0.1'
BERT = """
architecture = "bert"
tokenizer = "bpe"
vocab_size = 300
dropout = 0.1
[model.config]
num_hidden_layers = 2
hidden_size = 32
num_attention_heads = 2
intermediate_size = 64
max_position_embeddings = 64
"""
T5 = """
architecture = "t5"
tokenizer = "bpe"
vocab_size = 300
dropout = 0.1
config = { d_model = 32, d_kv = 8, d_ff = 64, num_layers = 2, num_decoder_layers = 2, num_heads = 4 }
"""
# Not GPT-2: Trainer tells by the name of a class that its labels are shifted, and by GPT2LMHeadModel's it does not. It
# then divides a step by the first token of each row too, which nothing predicts.
LLAMA = """
architecture = "llama"
tokenizer = "bpe"
vocab_size = 300
dropout = 0.1
[model.config]
num_hidden_layers = 2
hidden_size = 32
num_attention_heads = 2
num_key_value_heads = 1
intermediate_size = 64
max_position_embeddings = 64
"""
GPT2 = """
architecture = "gpt2"
tokenizer = "bpe"
vocab_size = 300
dropout = 0.0
config = { n_layer = 2, n_head = 2, n_embd = 32, n_positions = 64 }
"""
# It has a pooler that only some of its heads use.
SQUEEZEBERT = BERT.replace('"bert"', '"squeezebert"') + "embedding_size = 32\n"
MODELS = {
    "text-classification": LOADED,
    "token-classification": LOADED,
    "question-answering": BERT,
    "seq2seq": T5,
    "causal-lm": LLAMA,
    "masked-lm": BERT,
}
# Blocks do not depend on the number of rows. Each has a first token, which is a label that nothing predicts.
PACKED = {"causal-lm": ["data.block_size=12", f"train.max_steps={STEPS}"]}
TWO_RANKS = ("launch.processes=2", "train.batch_size=2")


def text(rng: random.Random) -> list[str]:
    words = [rng.choice(OTHER) for _ in range(rng.randint(2, 16))]
    words.insert(rng.randrange(len(words)), rng.choice(THINGS))
    return words


def row(task: str, rng: random.Random) -> dict[str, Any]:
    words = text(rng)
    thing = next(word for word in words if word in THINGS)
    joined = " ".join(words)
    return {
        "text-classification": {"text": joined, "label": "positive" if thing in THINGS[:3] else "negative"},
        "token-classification": {"tokens": words, "ner_tags": ["B-X" if word == thing else "O" for word in words]},
        "question-answering": {
            "question": "what is it",
            "context": joined,
            "answers": {"text": [thing], "answer_start": [joined.index(thing)]},
        },
        "seq2seq": {"text": joined, "target": " ".join(reversed(words))},
        "causal-lm": {"text": joined},
        "masked-lm": {"text": joined},
    }[task]


@pytest.fixture
def of_task(runs, tiny_bert) -> Callable[..., RunDir]:
    """`of_task(task, "field=value", …, model=…)`: a run of the task, not yet trained."""

    def make(task: str, *overrides: str, model: str | None = None) -> RunDir:
        rng, place = random.Random(0), runs.home / f"{task}-rows"
        place.mkdir()
        for name, rows in (("train", ROWS), ("validation", 4)):
            lines = [json.dumps(row(task, rng)) for _ in range(rows)]
            (place / f"{name}.jsonl").write_text("\n".join(lines))
        model = (model or MODELS[task]).replace("{bert}", str(tiny_bert))
        recipe = RECIPE.format(task=task, model=model)
        files = [f"data.{name}={place / name}.jsonl" for name in ("train", "validation")]
        return runs.make(task, *files, *PACKED.get(task, []), *overrides, text=recipe)

    return make


def assert_equal(ours: Path, theirs: Path) -> None:
    one, other = load_file(ours / "model.safetensors"), load_file(theirs / "model.safetensors")
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def assert_whole(run: RunDir, logged: Callable) -> None:
    """All that the comparison is to hold for has happened in the run."""
    assert [event.step for event in logged(run, "step")] == list(range(1, STEPS + 1))
    norms = [event.scalars["train/grad_norm"] for event in logged(run, "step")]
    assert max(norms) > recipe_union.stored(run.read_facts()["recipe"]).train.max_grad_norm


# With dropout a run in bf16 takes another attention than Trainer's on a CPU, the faster one there.
IN_BF16 = ("train.precision=bf16", "model.dropout=0")


@pytest.mark.parametrize(("task", "overrides"), [*((task, ()) for task in MODELS), ("text-classification", IN_BF16)])
def test_a_run_ends_with_the_weights_of_a_plain_trainer(of_task, runs, logged, task, overrides):
    run = of_task(task, *overrides)
    runs.train(run)
    assert_whole(run, logged)
    trainer = plain_trainer.trained(run)
    assert trainer.state.global_step == STEPS
    trainer.save_model(str(plain_trainer.plain(run)))
    assert_equal(run.model, plain_trainer.plain(run))


def test_two_ranks_end_with_the_weights_of_a_plain_trainer_of_two_ranks(of_task, logged):
    assert_equal_in_two_ranks([of_task(task, *TWO_RANKS) for task in MODELS], logged)


def test_two_ranks_train_a_model_of_which_the_loss_does_not_reach_every_weight(of_task, logged):
    assert_equal_in_two_ranks([of_task("token-classification", *TWO_RANKS, model=SQUEEZEBERT)], logged)


def assert_equal_in_two_ranks(runs: list[RunDir], logged: Callable) -> None:
    """Train all of them in one launch, for most of its time goes into imports."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0"]
    paths = [str(run.path) for run in runs]
    subprocess.run(
        [sys.executable, *launch, plain_trainer.__file__, *paths], env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True
    )
    for run in runs:
        assert_whole(run, logged)
        assert logged(run, "plan")[0].processes == 2
        assert_equal(run.model, plain_trainer.plain(run))


def test_a_step_of_gpt2_is_the_mean_over_the_tokens_that_it_predicts(of_task, runs, logged):
    """Here Trainer cannot be the measure; the loss is worked out by hand."""
    run = of_task("causal-lm", "train.max_steps=1", model=GPT2)
    runs.train(run)
    parts = plain_trainer.Parts.of(run)
    nll, predicted = 0.0, 0
    for start in (0, 4):
        batch = parts.collator([parts.rows[place] for place in range(start, start + 4)])
        gold = batch.pop("labels")[:, 1:].flatten()
        with torch.no_grad():
            logits = parts.model(**batch, use_cache=False).logits[:, :-1].flatten(0, 1)
        nll += float(torch.nn.functional.cross_entropy(logits, gold, ignore_index=IGNORED, reduction="sum"))
        predicted += int((gold != IGNORED).sum())
    (step,) = logged(run, "step")
    assert step.scalars["train/loss"] == pytest.approx(nll / predicted, rel=1e-5)
    assert step.scalars["train/loss"] != pytest.approx(nll / (predicted + 8), rel=1e-3)
