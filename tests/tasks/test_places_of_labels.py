"""The loss of masked-lm looks only at the places with a label, and comes to what it came to over all of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.tasks.masked_lm.evaluate import MaskEvaluator
from workbench.tasks.masked_lm.loss import step_loss
from workbench.tasks.masked_lm.masking import at_places, places_of
from workbench.tasks.shared.rows import IGNORED, LABEL_PLACES
from workbench.train.memory import divisible, pieces

VOCABULARY = 11


@st.composite
def batches(draw):
    """Labels [rows, longest], of which some rows may have none or all, and logits for them."""
    rows, longest = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    token = st.one_of(st.just(IGNORED), st.integers(0, VOCABULARY - 1))
    labels = draw(st.lists(st.lists(token, min_size=longest, max_size=longest), min_size=rows, max_size=rows))
    seed = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    return torch.tensor(labels), torch.randn(rows, longest, VOCABULARY, generator=seed)


def over_all(logits, labels):
    """The sum by the formula as it is written: over the tokens with a label, wherever they are."""
    there = labels != IGNORED
    return torch.nn.functional.cross_entropy(logits[there].float(), labels[there], reduction="sum")


@settings(deadline=None)
@given(batches())
def test_loss_and_gradient_are_those_over_all_places(batch):
    labels, logits = batch
    ours, plain = (logits.clone().requires_grad_() for _ in range(2))
    found = step_loss(SimpleNamespace(logits=ours), labels, num_items_in_batch=7, label_places=places_of(labels))
    expected = over_all(plain, labels) / 7
    assert found.item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-7)
    found.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-6, atol=1e-8)
    assert step_loss(SimpleNamespace(logits=logits), labels, 7).item() == found.item(), "places are found if not given"


@settings(deadline=None)
@given(batches())
def test_every_label_is_at_its_place_once(batch):
    labels, logits = batch
    found, gold = at_places(logits, labels, places_of(labels))
    there = labels != IGNORED
    assert gold[gold != IGNORED].tolist() == labels[there].tolist()
    assert torch.equal(found[gold.flatten() != IGNORED], logits[there])
    assert gold.shape[1] == there.sum(1).max()


def test_a_piece_of_a_batch_has_its_own_places():
    labels = torch.tensor([[1, IGNORED, 2], [IGNORED, IGNORED, 3], [4, 5, 6]])
    logits = torch.randn(3, 3, VOCABULARY)
    batch = {"logits": logits, "labels": labels, LABEL_PLACES: places_of(labels)}
    assert divisible(batch)
    total = sum(
        step_loss(SimpleNamespace(logits=piece["logits"]), piece["labels"], 6, piece[LABEL_PLACES])
        for piece in pieces(batch, 3)
    )
    assert total.item() == pytest.approx((over_all(logits, labels) / 6).item(), rel=1e-6)


def test_an_evaluation_counts_each_row_by_its_own_labels():
    labels = torch.tensor([[1, IGNORED, 2], [IGNORED, IGNORED, 3]])
    logits = torch.zeros(2, 3, VOCABULARY)
    logits[0, 0, 1] = logits[1, 2, 3] = 5.0
    logits[0, 2, 9] = 5.0
    evaluator = MaskEvaluator(None)
    evaluator.add(
        torch.arange(2).numpy(), {"labels": labels, LABEL_PLACES: places_of(labels)}, SimpleNamespace(logits=logits)
    )
    part = evaluator.part()
    assert part.sums[:, 1:].tolist() == [[2, 1], [1, 1]]
    assert part.sums[:, 0] == pytest.approx([over_all(logits[row], labels[row]).item() for row in range(2)])
    assert (part.gold.tolist(), part.predicted.tolist()) == ([1, 2, 3], [1, 9, 3])
