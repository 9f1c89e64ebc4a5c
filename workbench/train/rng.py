"""Random numbers that depend on the place in the training, not on what was drawn before.

A collator that masks at random, say, is seeded anew for every batch, with the run's seed, the epoch and the row. A run
resumed in the middle of an epoch then makes the same batches, however many were fetched ahead when it stopped. The
generators of dropout are put back each time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from workbench.tasks.shared.rows import Batch, Collator, RowItem
from workbench.train.order import EpochOrder, TokenOrder


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is drawn within, from Python, numpy or torch, was not drawn once it is left."""
    python, arrays, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
        torch.set_rng_state(cpu)
        if gpu is not None:
            torch.cuda.set_rng_state(gpu)


def seed_everything(seed: int) -> None:
    """Python's, numpy's and torch's generators, on every device."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _seed(*place: int) -> None:
    (value,) = np.random.SeedSequence(place).generate_state(1).tolist()
    seed_everything(value)


@dataclass(frozen=True)
class RepeatableCollator:
    """A collator that draws random numbers."""

    collator: Collator
    order: EpochOrder | TokenOrder

    def rounded(self, multiple: int, most: int) -> RepeatableCollator:
        return replace(self, collator=self.collator.rounded(multiple, most))

    def __call__(self, items: Sequence[RowItem], /) -> Batch:
        with undisturbed():
            _seed(self.order.seed, self.order.epoch, int(items[0]["row"]), len(items))
            return self.collator(items)
