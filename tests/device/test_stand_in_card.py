"""The stand-in for a GPU refuses what a GPU refuses, and lists what waits for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from card import CARD
from transfers import READ, TO_DEVICE, TO_HOST, transfers


@pytest.fixture
def tensor(card):
    return torch.arange(6.0, device=CARD)


def test_a_tensor_says_where_it_is_and_so_does_what_comes_of_it(tensor):
    assert tensor.device == CARD
    assert tensor.is_cuda
    assert (tensor.view(2, 3)[1:] @ torch.ones(3, device=CARD)).device == CARD
    assert torch.zeros_like(tensor).device == CARD
    assert torch.zeros_like(tensor, device="cpu").device.type == "cpu"
    assert tensor.cpu().device.type == "cpu"
    assert tensor.device == CARD
    assert torch.ones(2).to(tensor).device == CARD


@pytest.mark.parametrize(
    "mix",
    [
        lambda tensor: tensor + torch.ones(6),
        lambda tensor: torch.ones(6) * tensor.sum(),
        lambda tensor: torch.stack([tensor.sum(), torch.tensor(1.0)]),
        lambda tensor: torch.zeros(()).add_(tensor.sum()),
        lambda tensor: torch.ones(6)[tensor.long()],
        lambda tensor: torch.nn.functional.cross_entropy(tensor[None], torch.tensor([1])),
        lambda tensor: torch.nn.Linear(6, 2)(tensor),
        lambda tensor: tensor.index_add(0, torch.tensor([1]), tensor[:1]),
    ],
)
def test_both_sides_in_one_operation_are_refused(tensor, mix):
    with pytest.raises(RuntimeError, match="on the same device"):
        mix(tensor)


def test_a_number_in_host_memory_may_come_into_a_sum(tensor):
    assert (tensor * torch.tensor(2.0)).device == CARD
    assert tensor.masked_fill(tensor > 2, 0.0).device == CARD


def test_numpy_does_not_look_into_the_card(tensor):
    with pytest.raises(TypeError, match="cuda:0 device type tensor"):
        np.asarray(tensor)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (READ, lambda tensor: tensor.sum().item()),
        (READ, lambda tensor: float(tensor[0])),
        (READ, lambda tensor: bool(tensor.any())),
        (READ, lambda tensor: tensor.tolist()),
        (READ, lambda tensor: tensor[tensor > 2]),
        (READ, lambda tensor: tensor.nonzero()),
        (READ, lambda tensor: torch.equal(tensor, tensor)),
        (READ, lambda tensor: tensor.masked_select(tensor > 2)),
        (READ, lambda tensor: tensor.unique()),
        (READ, lambda tensor: tensor.index_put_((tensor > 2,), torch.zeros((), device=CARD))),
        (TO_HOST, lambda tensor: tensor.cpu()),
        (TO_HOST, lambda tensor: tensor.to("cpu", torch.float64, non_blocking=True)),
        (TO_HOST, lambda tensor: torch.zeros(6).copy_(tensor)),
        (TO_DEVICE, lambda tensor: torch.ones(2).to(tensor.device)),
        (TO_DEVICE, lambda tensor: torch.tensor([1, 2], device=tensor.device)),
        (TO_DEVICE, lambda tensor: tensor.new_tensor([1.0])),
        (TO_DEVICE, lambda tensor: tensor[torch.tensor([0, 1])]),
        (TO_DEVICE, lambda tensor: tensor.copy_(torch.ones(6))),
    ],
)
def test_every_wait_for_the_card_is_listed(tensor, kind, code):
    with transfers() as found:
        code(tensor)
    assert [transfer.kind for transfer in found] == [kind]
    assert "test_stand_in_card.py" in found[0].at


def test_what_waits_for_nothing_is_not_listed(tensor):
    with transfers() as found:
        torch.ones(2).pin_memory().to(CARD, non_blocking=True)
        (tensor * 2).masked_fill(tensor > 2, 0.0).sum()
        torch.where(tensor > 2, tensor, 0.0)
        tensor[1:].gather(0, torch.zeros(1, dtype=torch.long, device=CARD))
        torch.ones(3)[torch.ones(3) > 0].tolist()
    assert found == []


def test_a_whole_step_of_training_is_followed_with_its_values(card):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2))
    plain = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2))
    plain.load_state_dict(model.state_dict())
    model.to(CARD)
    rows, labels = torch.randn(3, 4), torch.tensor([0, 1, 1])
    with transfers() as found:
        _step(model, rows.to(CARD, non_blocking=True), labels.to(CARD, non_blocking=True))
    assert found == []
    _step(plain, rows, labels)
    assert all(weight.device == CARD and weight.grad.device == CARD for weight in model.parameters())
    assert all(torch.equal(one.cpu(), other) for one, other in zip(model.parameters(), plain.parameters(), strict=True))


def _step(model, rows, labels):
    optimizer = torch.optim.AdamW(model.parameters())
    torch.nn.functional.cross_entropy(model(rows), labels).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
