"""What there is to count in a column of texts, in one pass and in little memory: 12 bytes a row stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.contracts.events.data_event import CharacterCounts
from workbench.data.cache.word_ids import pieces
from workbench.data.report import text_quality

_FILLED, _SUSPECT = 1, 2
# Printable ASCII beyond the space fills a text; beyond ASCII, and among its control characters, a regex must look.
_KINDS: Final = np.array(
    [_FILLED if 0x21 <= byte < 0x7F else 0 if byte in b" \t\n\r" else _SUSPECT for byte in range(256)], np.uint8
)


@dataclass(frozen=True)
class TextFacts:
    """Of each text its `lengths` int32 [rows] in characters (code points) and its `hashes` int64 [rows]; of all texts
    how many are `empty` (hold white space only, or are missing) and how many show each of the `signs` of `oddities`.

    Equal texts have equal hashes, in this process; of n texts two others do so by chance with probability n² / 2⁶⁵,
    which for ten million is 3 in a million.
    """

    lengths: NDArray[np.int32]
    hashes: NDArray[np.int64]
    empty: int
    signs: dict[str, int]

    @classmethod
    def of(cls, columns: Iterable[pa.ChunkedArray]) -> TextFacts:
        """Of the texts of these columns, one after the other."""
        lengths, hashes, empty, signs = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)], 0, Counter[str]()
        for column in columns:
            for (part,) in pieces(column):
                lengths.append(np.asarray(pc.fill_null(pc.utf8_length(part), 0), np.int32))
                hashes.append(np.fromiter(map(hash, part.to_pylist()), np.int64, len(part)))
                kinds = _kinds(part)
                empty += len(part) - _filled(part, kinds)
                signs.update(text_quality.signs(part.filter(pa.array((kinds & _SUSPECT) > 0))))
        return cls(np.concatenate(lengths), np.concatenate(hashes), empty, dict(signs))

    def spread(self) -> CharacterCounts:
        """The lengths of the texts."""
        if not len(self.lengths):
            return CharacterCounts(median=0, p95=0, max=0, total=0)
        median, p95 = np.percentile(self.lengths, (50, 95))
        total = int(self.lengths.sum(dtype=np.int64))
        return CharacterCounts(median=round(median), p95=round(p95), max=int(self.lengths.max()), total=total)

    def odd(self) -> dict[str, int]:
        """How many texts show each sign, and how many are very long; what none shows is left out."""
        found = {name: self.signs.get(name, 0) for name in text_quality.SIGNS}
        found["very long texts"] = text_quality.very_long(self.lengths)
        return {name: count for name, count in found.items() if count}

    def repeated(self) -> int:
        """How many rows have the very text of a row before them."""
        # numpy's own `unique` goes by a hash table, and takes eight times as long.
        ordered = np.sort(self.hashes)
        return int((ordered[1:] == ordered[:-1]).sum())

    def shared(self, other: TextFacts) -> int:
        """How many of the texts are, to the letter, among those of `other`."""
        if not len(other.hashes):
            return 0
        there, hashes = np.sort(other.hashes), np.sort(self.hashes)
        found = there[np.minimum(np.searchsorted(there, hashes), len(there) - 1)]
        return int((found == hashes).sum())

    def at_odds(self, labels: NDArray[np.int64]) -> int:
        """How many texts occur with more than one label. `labels` [rows] number them, negative where there is none."""
        there = np.flatnonzero(labels >= 0)
        order = there[np.argsort(self.hashes[there], kind="stable")]
        hashes, codes = self.hashes[order], labels[order]
        if not len(order):
            return 0
        starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
        return int((np.minimum.reduceat(codes, starts) != np.maximum.reduceat(codes, starts)).sum())


def _kinds(part: pa.StringArray) -> NDArray[np.uint8]:
    """What kinds of bytes each text has."""
    offsets = np.frombuffer(part.buffers()[1], np.int32)[part.offset :][: len(part) + 1]
    data: Any = np.frombuffer(part.buffers()[2] or b"", np.uint8)
    kinds = np.zeros(len(part), np.uint8)
    some = np.flatnonzero(np.diff(offsets))
    if len(some):
        first, last = offsets[some[0]], offsets[some[-1] + 1]
        kinds[some] = np.bitwise_or.reduceat(_KINDS[data[first:last]], offsets[some] - first)
    return kinds


def _filled(part: pa.StringArray, kinds: NDArray[np.uint8]) -> int:
    """How many texts hold more than white space."""
    unsure = part.filter(pa.array((kinds & _FILLED) == 0))
    found = pc.sum(pc.fill_null(pc.match_substring_regex(unsure, r"\S"), False)).as_py() or 0
    return int(((kinds & _FILLED) > 0).sum()) + int(found)
