"""A whole series in at most 32 means, kept up as it grows: what the run list draws without reading history."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, Final

MOST: Final = 32
"""Means a spark holds at most; it holds at least half as many once the series is that long."""


class Spark:
    """Sums of `width` finite values each, the last of `partial` where that is not 0.

    When there is no room for another sum, each two become one and `width` doubles: what a spark holds depends on the
    values alone, never on how they were cut into pieces.
    """

    __slots__ = ("partial", "sums", "width")

    def __init__(self, width: int = 1, partial: int = 0, sums: bytes = b"") -> None:
        self.width, self.partial, self.sums = width, partial, array("d", sums)

    def add(self, finite: Sequence[Any]) -> None:
        """Take in further values, none of them NaN or infinite."""
        at = 0
        while at < len(finite):
            if not self.partial:
                self._make_room()
                self.sums.append(0.0)
            taken = finite[at : at + self.width - self.partial]
            # Not sum(): since Python 3.12 it compensates, and the pieces would matter.
            self.sums[-1] = reduce(add, taken, self.sums[-1])
            at += len(taken)
            self.partial = (self.partial + len(taken)) % self.width

    def _make_room(self) -> None:
        if len(self.sums) == MOST:
            self.sums = array("d", (self.sums[at] + self.sums[at + 1] for at in range(0, MOST, 2)))
            self.width *= 2

    def means(self) -> list[float]:
        """The mean of each bucket, in order."""
        counts = [self.width] * len(self.sums)
        if self.partial:
            counts[-1] = self.partial
        return [total / count for total, count in zip(self.sums, counts, strict=True)]
