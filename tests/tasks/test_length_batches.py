"""Rows are asked in batches of like length, answered in their order, and by smaller batches where memory runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.core.errors import WorkbenchError
from workbench.tasks.shared.length_batches import LengthBatches
from workbench.tasks.shared.rows import Padding

rng = np.random.default_rng(0)
ROWS = [{"input_ids": rng.integers(1, 9, length)} for length in rng.integers(1, 40, 200)]
SUMS = [int(row["input_ids"].sum()) for row in ROWS]


def batches(**options) -> LengthBatches:
    return LengthBatches("cpu", Padding(0), **options)


def test_answers_come_back_in_the_order_of_the_rows():
    sums, own = batches(tokens=128).gathered(
        ROWS, lambda batch, places: (batch["input_ids"].sum(1), torch.as_tensor(places))
    )
    assert sums.tolist() == SUMS
    assert own.tolist() == list(range(len(ROWS)))


def test_batches_keep_within_their_tokens_and_hardly_pad():
    shapes = []

    def ask(batch, _):
        shapes.append(tuple(batch["input_ids"].shape))
        return (batch["input_ids"].sum(1),)

    batches(tokens=128).gathered(ROWS, ask)
    assert all(rows * width <= 128 for rows, width in shapes)
    assert sum(rows * width for rows, width in shapes) < 1.1 * sum(len(row["input_ids"]) for row in ROWS)
    shapes.clear()
    batches(rows=3).gathered(ROWS, ask)
    assert max(rows for rows, _ in shapes) == 3


def test_a_row_longer_than_any_batch_is_asked_alone():
    (sums,) = batches(tokens=8).gathered(ROWS, lambda batch, _: (batch["input_ids"].sum(1),))
    assert sums.tolist() == SUMS


def short_of_memory(room: int, tried: list[int]):
    """A model on a device that takes `room` tokens."""

    def ask(batch, _):
        tried.append(batch["input_ids"].numel())
        if batch["input_ids"].numel() > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return (batch["input_ids"].sum(1),)

    return ask


def test_where_memory_runs_out_batches_are_halved_for_good_and_no_row_is_lost():
    tried: list[int] = []
    made = batches(tokens=1000)
    assert made.gathered(ROWS, short_of_memory(200, tried))[0].tolist() == SUMS
    assert sum(tokens > 200 for tokens in tried) == 3  # of 1,000, 500 and 250
    assert made.tokens <= 250
    tried.clear()
    made.gathered(ROWS, short_of_memory(200, tried))
    assert max(tried) <= 200


def test_one_row_that_does_not_fit_is_said():
    with pytest.raises(WorkbenchError, match=r"a row of 39 tokens does not fit in the memory of the GPU"):
        batches().gathered(ROWS, short_of_memory(30, []))
