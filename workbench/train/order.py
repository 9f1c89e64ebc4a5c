"""The order of the rows, as a function of the seed and the epoch alone.

Nothing is drawn from the global generators. A run that is resumed in the middle of an epoch therefore finds the order
again, whatever the steps before it have drawn, and a change of the evaluation never changes the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

_MEGABATCHES: Final = 50


@dataclass(frozen=True)
class Cut:
    """The rows of an epoch in their order, and where its batches begin: batch i is `rows[bounds[i]:bounds[i + 1]]`."""

    rows: NDArray[np.int64]
    bounds: NDArray[np.int64]

    @classmethod
    def of_size(cls, rows: NDArray[np.int64], size: int) -> Cut:
        """Batches of so many rows, and the rest."""
        return cls(rows, np.append(np.arange(0, len(rows), size), len(rows)))

    @classmethod
    def of_batches(cls, batches: Sequence[NDArray[np.int64]]) -> Cut:
        lengths = [0, *(len(batch) for batch in batches)]
        return cls(np.concatenate([np.zeros(0, np.int64), *batches]), np.cumsum(lengths))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def batch(self, number: int) -> NDArray[np.int64]:
        return self.rows[self.bounds[number] : self.bounds[number + 1]]


class Order(Protocol):
    """In which batches the rows of each epoch come. `begin` says which epoch is under way."""

    def begin(self, epoch: int) -> None: ...

    def batches(self, world: int = 1) -> int:
        """How many there are in an epoch, a multiple of the number of processes."""

    def cut(self, epoch: int, world: int = 1) -> Cut:
        """Those of that epoch, as many as `batches` says."""


class EpochOrder:
    """A permutation of the rows for each epoch, in batches of like lengths where that is wanted.

    `together` rows make a step, which like lengths are grouped by; a batch has `size` of them.
    """

    def __init__(
        self,
        lengths: Sequence[int] | NDArray[np.int64],
        together: int,
        *,
        seed: int,
        grouped: bool,
        size: int | None = None,
    ) -> None:
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._together, self._grouped, self._size = together, grouped, size or together
        self.seed, self.epoch = seed, 0

    def begin(self, epoch: int) -> None:
        self.epoch = epoch

    def batches(self, world: int = 1) -> int:
        return -(-len(self._lengths) // (self._size * world)) * world

    def cut(self, epoch: int, world: int = 1) -> Cut:
        """With several processes the last batches are filled up with rows from the start of the epoch, as accelerate's
        BatchSamplerShard does, so that each has as many, all of one size."""
        rows = self.order(epoch)
        if world > 1:
            together = self._size * world
            rows = np.concatenate([rows, np.resize(rows[:together], -len(rows) % together)])
        return Cut.of_size(rows, self._size)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The rows of that epoch, shape (rows,)."""
        generator = np.random.default_rng((self.seed, epoch))
        rows = generator.permutation(len(self._lengths))
        if self._grouped and len(rows):
            rows = _group(rows, self._lengths, self._together)
        return rows


class TokenOrder:
    """Batches of like lengths, each of as many rows as fit into `tokens` with their padding, and of one row at least.

    Which lengths stand together is the same in every epoch, so that every epoch has as many batches. Which rows of a
    length do, and in which order the batches come, is drawn; the one with the longest row comes first, as above.
    """

    def __init__(self, lengths: Sequence[int] | NDArray[np.int64], tokens: int, *, seed: int) -> None:
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._bounds = _filled(np.sort(self._lengths)[::-1], tokens)
        self.seed, self.epoch = seed, 0

    def begin(self, epoch: int) -> None:
        self.epoch = epoch

    def batches(self, world: int = 1) -> int:
        return -(-(len(self._bounds) - 1) // world) * world

    def cut(self, epoch: int, world: int = 1) -> Cut:
        """With several processes the first batches come once more at the end, so that each has as many."""
        generator = np.random.default_rng((self.seed, epoch))
        rows = generator.permutation(len(self._lengths))
        sorted_rows = Cut(rows[np.argsort(-self._lengths[rows], kind="stable")], self._bounds)
        places = np.append(0, 1 + generator.permutation(len(sorted_rows) - 1))
        places = np.resize(places, self.batches(world))
        return Cut.of_batches([sorted_rows.batch(place) for place in places])


def _filled(lengths: NDArray[np.int64], tokens: int) -> NDArray[np.int64]:
    """Where batches begin, and the end; the longest row comes first and says how wide its batch is."""
    bounds = [0]
    while bounds[-1] < len(lengths):
        rows = max(1, tokens // max(1, int(lengths[bounds[-1]])))
        bounds.append(min(len(lengths), bounds[-1] + rows))
    return np.asarray(bounds, np.int64)


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
