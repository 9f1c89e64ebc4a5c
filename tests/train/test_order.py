"""The order of rows depends on the seed and the epoch, and on nothing else."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.train.order import EpochOrder, TokenOrder, by_length

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=300)


@given(LENGTHS, st.integers(1, 32), st.integers(0, 5), st.booleans())
def test_every_row_comes_once_an_epoch(lengths, batch, epoch, grouped):
    order = EpochOrder(lengths, batch, seed=1, grouped=grouped).order(epoch)
    assert sorted(order.tolist()) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 32))
def test_the_longest_row_opens_a_grouped_epoch(lengths, batch):
    order = EpochOrder(lengths, batch, seed=1, grouped=True).order(0)
    assert lengths[order[0]] == max(lengths)


@given(LENGTHS, st.integers(1, 32))
def test_evaluation_takes_every_row_once_and_the_longest_first(lengths, batch):
    batches = by_length(lengths, batch)
    rows = np.concatenate(batches)
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    assert all(len(part) <= batch for part in batches)
    taken = np.asarray(lengths)[rows]
    assert (np.diff(taken) <= 0).all()


def test_what_was_drawn_before_does_not_matter():
    order = EpochOrder(list(range(1, 200)), 8, seed=3, grouped=True)
    first = order.order(0).tolist()
    torch.rand(100)
    np.random.rand(100)
    assert order.order(0).tolist() == first
    assert order.order(1).tolist() != first
    assert EpochOrder(list(range(1, 200)), 8, seed=4, grouped=True).order(0).tolist() != first


def test_grouping_leaves_little_to_pad():
    lengths = np.random.default_rng(0).geometric(0.05, 2000)

    def padded(grouped: bool) -> int:
        order = EpochOrder(lengths, 16, seed=0, grouped=grouped).order(0)
        return sum(int(lengths[order[start : start + 16]].max()) * 16 for start in range(0, 2000, 16))

    assert padded(True) < 1.2 * lengths.sum()
    assert padded(True) < 0.5 * padded(False)


@given(LENGTHS, st.integers(1, 2000), st.integers(0, 5), st.integers(1, 3))
def test_batches_by_tokens_hold_every_row_once_and_as_many_tokens_as_fit(lengths, tokens, epoch, world):
    order = TokenOrder(lengths, tokens, seed=1)
    cut = order.cut(epoch)
    batches = [cut.batch(number) for number in range(len(cut))]
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    widths = [max(lengths[row] for row in batch) for batch in batches]
    assert all(len(batch) * width <= tokens or len(batch) == 1 for batch, width in zip(batches, widths, strict=True))
    assert widths[0] == max(lengths)
    assert len(batches) == order.batches()
    shared = order.cut(epoch, world)
    assert len(shared) == order.batches(world)
    assert len(shared) % world == 0
    assert set(shared.rows.tolist()) == set(range(len(lengths)))


def test_batches_by_tokens_come_in_another_order_each_epoch():
    order = TokenOrder([length for length in range(1, 40) for _ in range(5)], 100, seed=3)
    first, second = order.cut(0).rows.tolist(), order.cut(1).rows.tolist()
    assert first != second
    assert order.cut(0).rows.tolist() == first


@given(LENGTHS, st.integers(1, 8), st.integers(1, 3))
def test_several_processes_have_as_many_batches_of_one_size(lengths, size, world):
    order = EpochOrder(lengths, size * world, seed=1, grouped=True, size=size)
    cut = order.cut(0, world)
    assert len(cut) == order.batches(world)
    assert len(cut) % world == 0
    if world > 1:
        assert set(np.diff(cut.bounds).tolist()) == {size}
    assert set(cut.rows.tolist()) == set(range(len(lengths)))
