"""Which token of a split is of which word, and what that means for the tags of words without any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.data.tables import tags
from workbench.metrics.entities import Span, spans
from workbench.tasks.token_classification.encode import WordWindows

if TYPE_CHECKING:
    from workbench.data.tables.tags import Tagset


@dataclass(frozen=True)
class Aligned:
    """Which token of a split is of which word.

    `place` int64 [tokens] is the word's place among all words of the split, -1 of tokens that answer for none;
    `firsts` bool [tokens] says which are the first of their word: those are what a word is evaluated by. `gold` int64
    [words] are the ids of the tags, `offsets` [rows + 1] where the words of each row begin, `row` [windows] the row
    each window is of.
    """

    place: NDArray[np.int64]
    firsts: NDArray[np.bool_]
    gold: NDArray[np.int64]
    offsets: NDArray[np.int64]
    row: NDArray[np.int32]

    @classmethod
    def of(cls, windows: WordWindows, gold: NDArray[np.int64], offsets: NDArray[np.int64]) -> Aligned:
        begin = np.repeat(offsets[windows.row], np.diff(windows.bounds))
        place = np.where(windows.words >= 0, begin + windows.words, -1)
        return cls(place, windows.firsts, gold, offsets, windows.row)

    @cached_property
    def unseen(self) -> NDArray[np.bool_]:
        """Which words have no token, such as one of control characters, [words]."""
        unseen = np.ones(len(self.gold), bool)
        unseen[self.place[self.firsts]] = False
        return unseen

    def missed(self, tagset: Tagset) -> Counter[str]:
        """Gold entities of which no word is seen, by type."""
        found = Counter[str]()
        for words, entities in self._entities_beside(tagset):
            unseen = self.unseen[words]
            found.update(kind for kind, start, end in entities if unseen[start:end].all())
        return found

    def spelt(self, tagset: Tagset) -> NDArray[np.int64]:
        """The gold tags, [words], as if there were no words but those seen: where the first word of an entity is not,
        the next one begins it. Only that can be predicted."""
        ids = {tag: place for place, tag in reversed(list(enumerate(tagset.canonical)))}
        gold = self.gold.copy()
        for words, entities in self._entities_beside(tagset):
            seen = np.flatnonzero(~self.unseen[words])
            places = words.start + seen
            new = tags.spelt(_among(entities, seen), len(seen), tagset.scheme)
            for place, tag in zip(places, new, strict=True):
                if tag != tagset.canonical[gold[place]]:
                    gold[place] = ids.get(tag, gold[place])
        return gold

    def _entities_beside(self, tagset: Tagset) -> Iterator[tuple[slice, list[Span]]]:
        """The words of each row that holds unseen ones, and its gold entities; nothing of plain tags."""
        for row in self.with_unseen() if tagset.scheme != "plain" else []:
            words = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
            yield words, spans([tagset.canonical[place] for place in self.gold[words]], tagset.scheme)

    def with_unseen(self) -> list[int]:
        """The rows that hold a word without a token."""
        rows = np.unique(np.searchsorted(self.offsets, np.flatnonzero(self.unseen), "right") - 1)
        return [int(row) for row in rows]


def _among(found: Sequence[Span], seen: NDArray[np.int64]) -> list[Span]:
    """Entities as among the words seen alone; those without any are left out."""
    placed = []
    for kind, start, end in found:
        first, after = int(np.searchsorted(seen, start)), int(np.searchsorted(seen, end))
        if first < after:
            placed.append((kind, first, after))
    return placed
