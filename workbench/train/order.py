"""The order of the rows, as a function of the seed and the epoch alone.

Nothing is drawn from the global generators. A run that is resumed in the middle of an epoch therefore finds the order
again, whatever the steps before it have drawn, and a change of the evaluation never changes the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

_MEGABATCHES: Final = 50


class Order(Protocol):
    """In which order the rows of each epoch come. `begin` says which epoch is under way."""

    def __len__(self) -> int: ...

    def begin(self, epoch: int) -> None: ...

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The rows of that epoch, shape (rows,)."""


class EpochOrder:
    """A permutation of the rows for each epoch, in batches of like lengths where that is wanted."""

    def __init__(self, lengths: Sequence[int] | NDArray[np.int64], batch: int, *, seed: int, grouped: bool) -> None:
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._batch, self._grouped = batch, grouped
        self.seed, self.epoch = seed, 0

    def begin(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The rows of that epoch, shape (rows,)."""
        generator = np.random.default_rng((self.seed, epoch))
        rows = generator.permutation(len(self._lengths))
        if self._grouped and len(rows):
            rows = _group(rows, self._lengths, self._batch)
        return rows


def _group(rows: NDArray[np.int64], lengths: NDArray[np.int64], batch: int) -> NDArray[np.int64]:
    """Sort by length within large random groups, the longest first; the longest row of all opens the epoch.

    The scheme is that of transformers' LengthGroupedSampler: batches stay random, little is padding, and a batch that
    does not fit in memory shows itself at once.
    """
    size = batch * max(1, min(len(rows) // (batch * 4), _MEGABATCHES))
    groups = [rows[start : start + size] for start in range(0, len(rows), size)]
    groups = [group[np.argsort(-lengths[group], kind="stable")] for group in groups]
    longest = int(np.argmax([lengths[group[0]] for group in groups]))
    if longest:
        groups[0][0], groups[longest][0] = groups[longest][0], groups[0][0]
    return np.concatenate(groups)


def by_length(lengths: Sequence[int] | NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    """Batches of all rows, longest first: evaluation needs no randomness, and pads least this way."""
    rows = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]
