"""Every kind of training, evaluation and prediction on the stand-in for a GPU: nothing mixes host and card, the
numbers are those of the CPU, and the host waits for the card only where it is said here.

The places of ours that read a value are few:

- the end of an evaluation, `Evaluator.part`: what was gathered goes to host memory, once;
- whatever writes text: an end token has to be seen before the next one is asked for;
- answers of a predictor, once a batch.

transformers reads values of its own before a model's first layer, `OF_TRANSFORMERS`: whether an attention mask masks
anything, whether one position follows the other, and, without a mask, whether there is padding to be warned of.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from unittest.mock import patch

import pytest
import torch
from card import CARD, StandInCard, on_the_card, stand_in_card
from small_tasks import ENCODER, KINDS, make
from transfers import TO_DEVICE, TO_HOST, transfers

from workbench.contracts.events import StepEvent
from workbench.recipe import Generate
from workbench.tasks import interface, spec
from workbench.tasks import recipe_union as recipe
from workbench.tasks.interface import forward
from workbench.tasks.shared.rows import IGNORED
from workbench.train.attention import for_evaluation
from workbench.train.best import Rule
from workbench.train.building import loop_of
from workbench.train.device import Device
from workbench.train.memory import divisible, pieces
from workbench.train.meter import Meter
from workbench.train.methods import Learning
from workbench.train.optim import Penalty
from workbench.train.ranks import Ranks
from workbench.train.ready import Ready
from workbench.train.run_log import SilentJournal

OF_TRANSFORMERS = (
    "_ignore_bidirectional_mask_sdpa",
    "_ignore_causal_mask_sdpa",
    "find_packed_sequence_indices",
    "warn_if_padding_and_no_attention_mask",
)
WRITING = ("seq2seq/searching.py", "seq2seq/evaluate.py")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`made(kind)`: the task of that kind with its rows and its model, once."""
    there = {}

    def get(kind):
        if kind not in there:
            there[kind] = make(KINDS[kind], tmp_path_factory.mktemp(kind))
        return there[kind]

    return get


@pytest.fixture(scope="module")
def the_card():
    """One for all: what is copied to a card once, as weights of classes are, is still there in the next test."""
    return StandInCard()


@pytest.fixture
def seeded():
    torch.manual_seed(3)


def loss_of(made, model, batch, count):
    """The loss of a step, as the training loop computes it."""
    loss = made.task.loss(made.prepared)
    if loss is None:
        return model(**batch, num_items_in_batch=count).loss
    return interface.loss_of(loss, forward(model, batch), batch, count)


def labels_in(batch):
    return int((batch["labels"] != IGNORED).sum())


def gradients(model):
    return {name: weight.grad.cpu() for name, weight in model.named_parameters() if weight.grad is not None}


def ours(found):
    return [transfer for transfer in found if not transfer.within.endswith(OF_TRANSFORMERS)]


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "unpadded"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_training_waits_for_nothing_and_comes_to_the_same(made, the_card, seeded, kind, padded):
    one = made(kind)
    _, batch = one.batch(padded=padded)
    count = labels_in(batch)
    one.model.zero_grad()
    loss = loss_of(one, one.model, batch, count)
    loss.backward()
    expected = gradients(one.model)
    with stand_in_card(the_card) as card, on_the_card(one.model) as model:
        there = {name: tensor.to(CARD, non_blocking=True) for name, tensor in batch.items()}
        with transfers() as found:
            on_card = loss_of(one, model, there, count)
            on_card.backward()
        assert ours(found) == []
        if KINDS[kind].model == ENCODER and not padded:
            assert found == []
        assert card.on_card(on_card)
        assert on_card.item() == pytest.approx(loss.item(), rel=1e-5)
        got = gradients(model)
    assert expected.keys() == got.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_in_pieces_is_the_same_step(made, the_card, seeded, kind):
    """After an out-of-memory: pieces of every batch of an accumulated step, divided by the labels of the whole step."""
    one = made(kind)
    batches = [one.batch(padded=padded)[1] for padded in (True, False)]
    count = sum(map(labels_in, batches))
    with stand_in_card(the_card), on_the_card(one.model) as model:
        found = {}
        for parts in (1, 3):
            model.zero_grad()
            with transfers() as waits:
                losses = []
                for batch in batches:
                    there = {name: tensor.to(CARD, non_blocking=True) for name, tensor in batch.items()}
                    assert divisible(there)
                    for piece in pieces(there, parts):
                        losses.append(loss_of(one, model, piece, count))
                        losses[-1].backward()
                together = torch.stack([loss.detach() for loss in losses]).sum()
            assert ours(waits) == []
            found[parts] = together.item(), gradients(model)
    (whole, expected), (cut, got) = found.values()
    assert cut == pytest.approx(whole, rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-3, atol=1e-6)


def test_penalties_are_added_where_the_weights_are(made, the_card):
    one = made("single-label")
    with stand_in_card(the_card) as card, on_the_card(one.model) as model:
        _, batch = one.batch(padded=False)
        loss_of(one, model, {name: tensor.to(CARD) for name, tensor in batch.items()}, 4).backward()
        with transfers() as found:
            penalty = Penalty(l1=0.1, l2=0.2, weights=list(model.parameters())).add()
        assert found == []
        assert card.on_card(penalty)


@pytest.mark.parametrize("kind", KINDS)
def test_an_evaluation_reads_once_at_its_end_and_finds_the_same(made, the_card, seeded, kind):
    one = made(kind)
    rows, batch = one.batch("validation", padded=True, rows=len(one.prepared.rows["validation"]))
    with torch.no_grad():
        expected = evaluated(one, one.model, rows, batch)
    with torch.no_grad(), stand_in_card(the_card), on_the_card(one.model) as model, for_evaluation(model):
        there = {name: tensor.to(CARD) for name, tensor in batch.items()}
        evaluator = one.task.evaluator(one.prepared, "validation")
        with transfers() as found:
            evaluator.add(rows, there, evaluator.ask(model, there))
        with transfers() as at_the_end:
            part = evaluator.part()
    result = evaluator.result([part])
    assert [transfer for transfer in ours(found) if not transfer.at.startswith(WRITING)] == []
    assert {transfer.kind for transfer in at_the_end} == {TO_HOST}
    assert result.scalars == pytest.approx(expected.scalars, rel=1e-4)
    assert result.predictions()["prediction"].equals(expected.predictions()["prediction"])


def evaluated(one, model, rows, batch):
    evaluator = one.task.evaluator(one.prepared, "validation")
    evaluator.add(rows, batch, evaluator.ask(model, batch))
    return evaluator.result([evaluator.part()])


@pytest.mark.parametrize(
    "kind", ["single-label", "several-labels-focal", "regression", "tags", "answers", "t5", "masks"]
)
def test_a_table_of_predictions_is_made_where_it_is_asked_for(made, seeded, kind):
    one = made(kind)
    rows, batch = one.batch("validation", padded=True, rows=len(one.prepared.rows["validation"]))
    with torch.no_grad(), patch("pyarrow.table", side_effect=AssertionError("a table that nobody keeps")):
        result = evaluated(one, one.model, rows, batch)
        with pytest.raises(AssertionError, match="nobody keeps"):
            result.predictions()
    assert result.predictions().num_rows > 0
    sent = pickle.loads(pickle.dumps(result))
    assert (sent.scalars, sent.report, sent.predictions) == (result.scalars, result.report, None)


# What a predictor is asked, and where its answers go to host memory.
ASKED = {
    "single-label": "w1 w2",
    "several-labels": "w1 w2",
    "regression": "w1 w2",
    "tags": "w1 w2 w3",
    "answers": {"question": "w1 w2", "context": " ".join(f"w{number}" for number in range(40))},
    "t5": "w1 w2",
    "masks": "w1 [MASK] w2 [MASK]",
}


@pytest.mark.parametrize("kind", ASKED)
def test_a_predictor_reads_its_answers_in_one_place(made, the_card, tmp_path, kind):
    one, asked = made(kind), ASKED[kind]
    directory = one.save(tmp_path / "model")
    expected = spec.predictor(one.prepared.recipe.task, directory, device="cpu").predict([asked] * 3)
    with stand_in_card(the_card):
        predictor = spec.predictor(one.prepared.recipe.task, directory, device="cuda:0")
        with transfers() as found:
            answers = predictor.predict([asked] * 3)
    assert rounded(answers) == rounded(expected)
    assert {transfer.at.split(":")[0] for transfer in ours(found) if transfer.kind != TO_DEVICE} == {
        "shared/length_batches.py"
    }


def rounded(answers):
    """With its floats cut to what fp32 can be held to: sums are not taken in the same order every time."""
    if dataclasses.is_dataclass(answers):
        return rounded(dataclasses.asdict(answers))
    if isinstance(answers, dict):
        return {name: rounded(value) for name, value in answers.items()}
    if isinstance(answers, list | tuple):
        return [rounded(value) for value in answers]
    return float(f"{answers:.4g}") if isinstance(answers, float) else answers


@pytest.mark.parametrize("kind", ["blocks", "t5"])
def test_what_is_written_on_the_card_is_what_is_written_on_the_cpu(made, the_card, tmp_path, kind):
    one = made(kind)
    directory = one.save(tmp_path / "model")
    options = Generate(max_new_tokens=8, temperature=0.7, top_p=0.9, seed=5)
    expected = list(spec.predictor(one.prepared.recipe.task, directory, device="cpu").generate("w1 w2", options))
    with stand_in_card(the_card):
        predictor = spec.predictor(one.prepared.recipe.task, directory, device="cuda:0")
        with transfers() as found:
            assert list(predictor.generate("w1 w2", options)) == expected
    assert {transfer.at.split(":")[0] for transfer in ours(found)} == {"shared/generation.py"}


class Notes(SilentJournal):
    """Keeps the scalars of the steps."""

    def __init__(self):
        self.steps = []

    def write(self, event):
        if isinstance(event, StepEvent):
            self.steps.append(event.scalars)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loop_waits_for_the_card_only_where_its_steps_are_written(made, the_card, kind):
    one = made(kind)
    extra = [] if kind == "regression" else ["train.l2=0.01"]
    asked = recipe.parse(
        KINDS[kind].recipe(),
        overrides=["train.gradient_accumulation=2", "train.batch_size=4", "train.cuda_graphs=false", *extra],
    )
    with stand_in_card(the_card):
        card = Device("cuda", "stand-in", "fp32")
        learning = Learning("full", 0, 0, [])
        model = deepcopy(one.model)
        ready = Ready(asked, one.task, card, one.prepared, model, learning, Rule(None, "min"))
        loop = loop_of(ready, Ranks(0, 1), evaluated=False, journal=SilentJournal())
        # The stand-in is there for this thread alone.
        loop.batches = replace(loop.batches, ahead=False)
        notes = Notes()
        meter = Meter(notes, Ranks(0, 1), on_gpu=True)
        steps = loop.steps()
        meter.add(next(steps))  # class weights are copied to the card once
        meter.flush()
        with transfers() as found:
            for step in islice(steps, 3):
                meter.add(step)
        assert ours(found) == []
        with transfers() as found:
            meter.flush()
    assert {(transfer.kind, transfer.at.split(":")[0]) for transfer in found} == {(TO_HOST, "train/meter.py")}
    assert len(found) == 1
    assert all(math.isfinite(value) for scalars in notes.steps for value in scalars.values())
