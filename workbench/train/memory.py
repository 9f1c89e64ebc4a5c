"""Going on when a GPU's memory does not hold a batch: in pieces, with the same mathematics.

A batch that does not fit is cut into halves, which are computed one after the other before the step is taken: the
rows of the step, their order and what the loss is divided by stay the same, and so does the step but for rounding.
Dropout draws other numbers for pieces than for the whole.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

from workbench.tasks.shared.rows import Batch


def rows_of(batch: Batch) -> int:
    """Rows of a batch of tensors, by the first there is."""
    return int(next(iter(batch.values())).shape[0])


def pieces(batch: Batch, parts: int) -> Iterator[Batch]:
    """The batch in `parts` of equal rows, or nearly so; fewer where there are fewer rows."""
    rows = rows_of(batch)
    size = -(-rows // parts)
    for start in range(0, rows, size):
        yield {name: tensor[start : start + size] for name, tensor in batch.items()}


def divisible(batch: Batch) -> bool:
    """Whether every tensor of the batch has a row for each row."""
    rows = rows_of(batch)
    return rows > 1 and all(tensor.dim() > 0 and tensor.shape[0] == rows for tensor in batch.values())


def make_room() -> None:
    """Give back to the device what nobody holds any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
