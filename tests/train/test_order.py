"""The order of rows depends on the seed and the epoch, and on nothing else."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.train.order import EpochOrder, by_length

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
