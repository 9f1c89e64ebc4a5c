"""What a run does to its weights: which rows it takes, and what a step is when memory runs out, with penalties, cut."""

from __future__ import annotations

import itertools
import json

import pytest
import torch
from safetensors.torch import load_file

from workbench.train import checkpoints
from workbench.train.order import EpochOrder

WORDS = tuple(
    "good great fine bad poor awful the a film book was is not very it and but plot food phone".split(" ")  # noqa: SIM905
)
FIRST_WORD = 4  # the tokens before are special
# No evaluation and no dropout: what is left is arithmetic.
BARE = ("train.precision=fp32", "model.dropout=0", "evaluate.every=never", "data.test=none")
SGD = ("train.optimizer=sgd", "train.learning_rate=0.1", "train.schedule=constant")


def weights(directory) -> dict[str, torch.Tensor]:
    return load_file(directory / "model.safetensors")


def far(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    """The greatest difference of any weight."""
    assert one.keys() == two.keys()
    return max(float((one[name] - two[name]).abs().max()) for name in one)


def length(row: int) -> int:
    """Words of a row."""
    return 2 + row * 7 % 9


@pytest.fixture
def numbered(tmp_path):
    """22 rows of different lengths, whose first two words are the number of the row."""
    lines = []
    for row in range(22):
        words = [WORDS[row // 20], WORDS[row % 20], *["film"] * (length(row) - 2)]
        lines.append(json.dumps({"text": " ".join(words), "label": ("positive", "negative")[row % 2]}))
    (tmp_path / "numbered.jsonl").write_text("\n".join(lines))
    return tmp_path / "numbered.jsonl"


def rows_of(passes) -> list[int]:
    """The numbers of the rows that were learnt, in their order."""
    rows = [(ids[1:3] - FIRST_WORD).tolist() for seen in passes if seen.learning for ids in seen.ids]
    return [first * 20 + second for first, second in rows]


# 22 rows in batches of 2 and steps of 2 batches: six steps an epoch, the last of them of one batch.
ORDER = (*BARE, "train.batch_size=2", "train.gradient_accumulation=2", "train.epochs=3", "seed=7")


@pytest.mark.parametrize("grouped", [True, False])
def test_every_epoch_has_an_order_of_its_own_which_seed_and_epoch_alone_decide(runs, numbered, passes, grouped):
    from transformers import BertForSequenceClassification

    seen = passes(BertForSequenceClassification)
    runs.train(runs.make("order", *ORDER, f"data.train={numbered}", f"train.group_by_length={json.dumps(grouped)}"))
    lengths = [length(row) + 2 for row in range(22)]
    order = EpochOrder(lengths, 4, seed=7, grouped=grouped)
    epochs = [order.order(epoch).tolist() for epoch in range(3)]
    assert rows_of(seen) == [row for epoch in epochs for row in epoch]
    assert all(one != two for one, two in itertools.combinations(epochs, 2))
    assert rows_of(seen)[:22] != list(range(22))


def test_a_run_resumed_in_the_middle_of_an_epoch_takes_the_rows_that_are_left_of_it(runs, numbered, passes):
    from transformers import BertForSequenceClassification

    settings = (*ORDER, f"data.train={numbered}")
    seen = passes(BertForSequenceClassification)
    runs.train(runs.make("whole", *settings))
    whole = rows_of(seen)
    for stops in ([8], [6, 13]):
        seen.clear()
        run = runs.make("-".join(map(str, stops)), *settings)
        for step in stops:
            runs.train(run, stop_at=step)
        runs.train(run)
        assert rows_of(seen) == whole, f"stopped at {stops}"


def test_the_last_batches_of_an_epoch_make_a_step_of_its_own(runs, numbered, logged):
    run = runs.make("short", *ORDER, f"data.train={numbered}")
    runs.train(run)
    epochs = [event.epoch for event in logged(run, "step")]
    assert len(epochs) == 18
    assert [epochs[step - 1] for step in (6, 12, 18)] == [1, 2, 3]


@pytest.mark.parametrize(("epochs", "steps", "rows"), [(1.5, 9, 34), (0.25, 2, 8), (2, 12, 44)])
def test_parts_of_an_epoch_are_trained(runs, numbered, passes, logged, epochs, steps, rows):
    from transformers import BertForSequenceClassification

    seen = passes(BertForSequenceClassification)
    run = runs.make("part", *ORDER, f"data.train={numbered}", f"train.epochs={epochs}")
    runs.train(run)
    (plan,) = logged(run, "plan")
    assert plan.total_steps == steps
    assert [event.step for event in logged(run, "step")] == list(range(1, steps + 1))
    assert len(rows_of(seen)) == rows
    # The schedule ends with the run: its last step has the last share of the rate.
    rates = [event.scalars["train/learning_rate"] for event in logged(run, "step")]
    assert rates == pytest.approx([5e-3 * (steps - done) / steps for done in range(steps)])


def test_max_steps_goes_before_epochs(runs, numbered, logged):
    for wanted in (4, 20):
        run = runs.make(f"limited-{wanted}", *ORDER, f"data.train={numbered}", f"train.max_steps={wanted}")
        runs.train(run)
        assert len(logged(run, "step")) == wanted


# Memory that runs out

SHORT = (*BARE, *SGD, "train.max_steps=4", "train.batch_size=4", "train.gradient_accumulation=2")


@pytest.mark.parametrize(
    ("calls", "pieces"),
    [
        ([1], 2),
        ([4], 2),  # the second batch of the second step, when the first has been counted
        ([4, 6], 4),  # the same, and once more in the second piece of its first batch
        ([4, 8], 4),  # the same, and once more in the last piece of its second
    ],
)
def test_memory_that_runs_out_in_the_middle_of_a_step_changes_nothing_of_it(runs, logged, fails_at, calls, pieces):
    calm, short = runs.make("calm", *SHORT), runs.make("short", *SHORT)
    runs.train(calm)
    fails_at(*calls)
    runs.train(short)
    warnings = [event for event in logged(short, "warning") if event.code == "oom-recovered"]
    assert len(warnings) == len(calls)
    for undisturbed, disturbed in zip(logged(calm, "step"), logged(short, "step"), strict=True):
        for name in ("train/loss", "train/grad_norm"):
            assert disturbed.scalars[name] == pytest.approx(undisturbed.scalars[name], abs=1e-6)
        assert disturbed.tokens == undisturbed.tokens
    assert far(weights(calm.model), weights(short.model)) < 1e-6
    state = json.loads((checkpoints.newest_sealed(short.checkpoints) / "state.json").read_text())
    assert state["pieces"] == pieces


def test_a_penalty_is_added_once_to_a_step_that_was_begun_anew(runs, logged, fails_at):
    settings = (*SHORT, "train.l1=1e-3", "train.l2=1e-2")
    calm, short = runs.make("calm", *settings), runs.make("short", *settings)
    runs.train(calm)
    fails_at(4)
    runs.train(short)
    for undisturbed, disturbed in zip(logged(calm, "step"), logged(short, "step"), strict=True):
        assert disturbed.scalars["train/penalty"] == pytest.approx(undisturbed.scalars["train/penalty"], abs=1e-6)
        assert disturbed.scalars["train/grad_norm"] == pytest.approx(undisturbed.scalars["train/grad_norm"], abs=1e-6)
    assert far(weights(calm.model), weights(short.model)) < 1e-6


def test_after_a_resume_the_pieces_stay_and_the_tokens_are_counted_on(runs, logged, fails_at, passes):
    from transformers import BertForSequenceClassification

    whole, halves = runs.make("whole", *SHORT), runs.make("halves", *SHORT)
    runs.train(whole)
    fails_at(1)
    runs.train(halves, stop_at=2)
    seen = passes(BertForSequenceClassification)
    runs.train(halves)
    sizes = [len(one.ids) for one in seen if one.learning]
    assert sizes == [2] * 8, "two steps of two batches, each of four rows in two pieces"
    counted = [[event.tokens for event in logged(run, "step")] for run in (whole, halves)]
    assert counted[0] == counted[1]
    assert all(one < two for one, two in itertools.pairwise(counted[0]))


# What is added to a gradient, and what is cut off it


def gradients(optimizer) -> float:
    """The norm of all gradients as the optimizer is given them."""
    held = [weight.grad for group in optimizer.param_groups for weight in group["params"] if weight.grad is not None]
    return float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for grad in held])))


@pytest.mark.parametrize(
    ("limit", "more"), [(1e-3, ()), (1e6, ()), (0, ()), (1e-3, ("train.l1=1e-3", "train.l2=1e-2"))]
)
def test_the_norm_is_told_as_it_was_and_the_gradient_cut_to_the_limit(runs, logged, stepping, limit, more):
    given: list[float] = []
    stepping(lambda optimizer: given.append(gradients(optimizer)))
    run = runs.make("cut", *SHORT, f"train.max_grad_norm={limit}", *more)
    runs.train(run)
    told = [event.scalars["train/grad_norm"] for event in logged(run, "step")]
    assert len(given) == len(told) == 4
    assert all(norm > 2e-3 for norm in told)
    assert given == pytest.approx([min(norm, limit) if limit else norm for norm in told], rel=1e-4)


def test_a_penalty_pulls_at_every_weight_that_decays_once_a_step(runs, logged, stepping, passes):
    from transformers import BertForSequenceClassification

    seen = passes(BertForSequenceClassification)
    grads: list[dict[str, torch.Tensor]] = []
    held: list[dict[str, torch.Tensor]] = []

    def look(_) -> None:
        named = dict(seen[-1].model.named_parameters())
        grads.append({name: weight.grad.clone() for name, weight in named.items() if weight.grad is not None})
        held.append({name: weight.detach().clone() for name, weight in named.items()})

    stepping(look)
    settings = (*SHORT, "train.max_steps=1", "train.max_grad_norm=0")
    pulled = runs.make("pulled", *settings, "train.l1=1e-3", "train.l2=1e-2")
    runs.train(runs.make("free", *settings))
    runs.train(pulled)
    free, penalised = grads
    for name, weight in held[0].items():
        if name in free:
            decays = "LayerNorm" not in name and not name.endswith("bias")
            pull = 1e-3 * weight.sign() + 1e-2 * weight if decays else 0
            assert torch.allclose(penalised[name], free[name] + pull, atol=1e-6), name
    decaying = [weight for name, weight in held[0].items() if "LayerNorm" not in name and not name.endswith("bias")]
    total = sum(float(1e-3 * weight.abs().sum() + 1e-2 / 2 * weight.square().sum()) for weight in decaying)
    (told,) = logged(pulled, "step")
    assert told.scalars["train/penalty"] == pytest.approx(total, rel=1e-4)
