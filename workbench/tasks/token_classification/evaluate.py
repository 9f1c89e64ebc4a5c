"""How well words were tagged: from the likeliest tag of each token back to the entities of each row."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.coding import encode
from workbench.data.tables import tags
from workbench.metrics import catalog
from workbench.metrics.entities import Span, spans
from workbench.tasks.interface import Verdict, forward
from workbench.tasks.shared.rows import IGNORED, Batch, TokenRows
from workbench.tasks.token_classification.encode import Pieces

if TYPE_CHECKING:
    from workbench.data.report.writing import Writing
    from workbench.data.tables.splits import Splits
    from workbench.data.tables.tags import Tagset

_UNSEEN = -1
_OF_ENTITIES = tuple(
    name for name, metric in catalog.of_task("token-classification").items() if "plain-tags" not in metric.of
)


@dataclass(frozen=True)
class Aligned:
    """Which token of a split is of which word.

    `place` int64 [tokens] is the word's place among all words of the split, -1 of tokens that answer for none;
    `firsts` bool [tokens] says which are the first of their word: those are what a word is judged by. `gold` int64
    [words] are the ids of the tags, `offsets` [rows + 1] where the words of each row begin, `row` [windows] the row
    each window is of.
    """

    place: NDArray[np.int64]
    firsts: NDArray[np.bool_]
    gold: NDArray[np.int64]
    offsets: NDArray[np.int64]
    row: NDArray[np.int32]

    @classmethod
    def of(cls, pieces: Pieces, gold: NDArray[np.int64], offsets: NDArray[np.int64]) -> Aligned:
        begin = np.repeat(offsets[pieces.row], np.diff(pieces.bounds))
        place = np.where(pieces.words >= 0, begin + pieces.words, -1)
        return cls(place, pieces.firsts, gold, offsets, pieces.row)

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
        the next one begins it. Only that can be learnt, and found again."""
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


@dataclass(frozen=True)
class Part:
    """What one process has gathered: windows, and of their tokens that carry a tag, in order, the likeliest and the
    loss in nats."""

    windows: NDArray[np.int64]
    called: NDArray[np.int64]
    losses: NDArray[np.float32]


@dataclass(frozen=True)
class RowTags:
    """One row in canonical tags: `every` gold one; gold and called of the words that are seen, and where these stand
    among all its words."""

    every: list[str]
    gold: list[str]
    called: list[str]
    seen: NDArray[np.int64]

    def whole(self, found: Sequence[Span]) -> list[Span]:
        """Entities among the words seen, as among all words."""
        return [(kind, int(self.seen[start]), int(self.seen[end - 1]) + 1) for kind, start, end in found]


class TagJudge:
    """Keeps the likeliest tag and the loss of each token of a split, never its logits."""

    def __init__(
        self, split: str, splits: Splits, rows: TokenRows, aligned: Aligned, tagset: Tagset, writing: Writing
    ) -> None:
        self._split, self._splits = split, splits
        self._rows, self._aligned, self._tagset, self._writing = rows, aligned, tagset, writing
        self._windows: list[NDArray[np.int64]] = []
        self._kept: list[tuple[Any, Any, Any]] = []

    def ask(self, model: Any, batch: Batch) -> tuple[Any, Any]:
        """The likeliest tag and the loss of every token, [rows, longest]."""
        import torch

        logits = forward(model, batch).logits.float()
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), batch["labels"], ignore_index=IGNORED, reduction="none"
        )
        return logits.argmax(-1), losses

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: tuple[Any, Any]) -> None:
        self._windows.append(rows)
        self._kept.append((batch["labels"] != IGNORED, *outputs))

    def part(self) -> Part:
        tagged = [(called[there], losses[there]) for there, called, losses in map(_on_host, self._kept)]
        return Part(
            np.concatenate([np.zeros(0, np.int64), *self._windows]),
            np.concatenate([np.zeros(0, np.int64), *(called for called, _ in tagged)]),
            np.concatenate([np.zeros(0, np.float32), *(losses for _, losses in tagged)]),
        )

    def verdict(self, parts: Sequence[Part]) -> Verdict:
        called, losses = self._gathered(parts)
        rows = list(self._by_row(called))
        measured = self._entities(rows) if self._tagset.spells_entities else self._plain(called)
        scalars = {"loss": float(losses.mean(dtype=np.float64))} | measured["scalars"]
        table = partial(self._table, rows, called, losses)
        return Verdict(scalars, measured["undefined"], measured["report"], table)

    def _gathered(self, parts: Sequence[Part]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The id called of every word of the split, -1 where nothing was seen; the loss of every token with a tag."""
        place = self._aligned.place
        assert self._rows.tags is not None, "the rows have tags"
        tagged = self._rows.tags != IGNORED
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(tagged)])[self._rows.bounds]
        by_token = np.full(bounds[-1], _UNSEEN)
        losses = np.zeros(bounds[-1], np.float32)
        for part in parts:
            where = _ranges(bounds[part.windows], bounds[part.windows + 1])
            by_token[where], losses[where] = part.called, part.losses
        first = self._aligned.firsts[tagged]
        called = np.full(len(self._aligned.gold), _UNSEEN)
        called[place[tagged][first]] = by_token[first]
        return called, losses

    def _by_row(self, called: NDArray[np.int64]) -> Iterator[RowTags]:
        names = np.array(self._tagset.canonical, object)
        gold, offsets = self._aligned.spelt(self._tagset), self._aligned.offsets
        for start, end in itertools.pairwise(offsets):
            seen = np.flatnonzero(called[start:end] >= 0)
            every = names[self._aligned.gold[start:end]].tolist()
            yield RowTags(every, names[gold[start + seen]].tolist(), names[called[start + seen]].tolist(), seen)

    def _entities(self, rows: Sequence[RowTags]) -> dict[str, Any]:
        from workbench.metrics.tagging import Entities

        measured: dict[str, Any] = Entities(self._tagset.types, scheme=self._tagset.scheme).compute(
            predictions=[row.called for row in rows],
            references=[row.gold for row in rows],
            missed=list(self._aligned.missed(self._tagset).items()),
        )
        return measured

    def _plain(self, called: NDArray[np.int64]) -> dict[str, Any]:
        """Of tags that spell no entities: how often they are right, and each tag against the rest."""
        from workbench.metrics.confusion import Confusion

        size, seen = len(self._tagset.names), called >= 0
        counts = np.bincount(self._aligned.gold[seen] * size + called[seen], minlength=size * size)
        matrix = counts.reshape(size, size).tolist()
        confusion = Confusion.parse(self._tagset.names, matrix)
        report = {
            "labels": self._tagset.names,
            "confusion": matrix,
            "per_class": [encode(entry) for entry in confusion.report()],
        }
        accuracy = confusion.accuracy
        assert accuracy is not None, "some word is seen"
        return {"scalars": {"token_accuracy": accuracy}, "undefined": list(_OF_ENTITIES), "report": report}

    def _table(self, rows: Sequence[RowTags], called: NDArray[np.int64], losses: NDArray[np.float32]) -> Any:
        import pyarrow as pa

        from workbench.data.tables import tagged
        from workbench.data.tables.columns import ROW

        offsets = pa.array(self._aligned.offsets)
        words = tagged.words(self._splits, self._split).flat.combine_chunks()
        names = pa.array(self._tagset.names, pa.string())
        told = [self._told(row, tokens) for row, tokens in zip(rows, _lists(words, self._aligned.offsets), strict=True)]
        return pa.table(
            {
                "row": self._splits.tables()[self._split].column(ROW),
                "label": pa.array([entry[0] for entry in told], pa.string()),
                "prediction": pa.array([entry[1] for entry in told], pa.string()),
                "score": pa.array([entry[2] for entry in told], pa.float32()),
                "loss": self._row_losses(losses),
                "text": pa.array([entry[3] for entry in told], pa.string()),
                "tokens": pa.LargeListArray.from_arrays(offsets, words),
                "gold": pa.LargeListArray.from_arrays(offsets, names.take(pa.array(self._aligned.gold))),
                "called": pa.LargeListArray.from_arrays(
                    offsets, names.take(pa.array(called, pa.int64(), mask=called == _UNSEEN))
                ),
            }
        )

    def _told(self, row: RowTags, tokens: list[str]) -> tuple[str, str, float, str]:
        """Gold and call of a row as they are read, how good the call is, and the row as a text."""
        text, _ = self._writing.joined(tokens)
        if not self._tagset.spells_entities:
            right = [one == other for one, other in zip(row.gold, row.called, strict=True)]
            return " ".join(row.every), " ".join(row.called), float(np.mean(right)) if right else 1.0, text
        every, gold, called = (spans(found, self._tagset.scheme) for found in (row.every, row.gold, row.called))
        both = len(every) + len(called)
        score = 2 * len(set(gold) & set(called)) / both if both else 1.0
        return self._readable(every, tokens), self._readable(row.whole(called), tokens), score, text

    def _readable(self, found: Sequence[Span], tokens: list[str]) -> str:
        """`PER: Karl Ove Knausgård; LOC: Oslo`."""
        from workbench.data.tables.label_sets import NONE

        named = (f"{kind}: {self._writing.joined(tokens[start:end])[0]}" for kind, start, end in found)
        return "; ".join(named) or NONE

    def _row_losses(self, losses: NDArray[np.float32]) -> Any:
        """The mean loss of each row's tokens, null where it has none."""
        import pyarrow as pa

        assert self._rows.tags is not None, "the rows have tags"
        of = np.repeat(self._aligned.row, self._rows.lengths)[self._rows.tags != IGNORED]
        rows = len(self._aligned.offsets) - 1
        tokens = np.bincount(of, minlength=rows)
        mean = np.bincount(of, weights=losses, minlength=rows) / np.maximum(tokens, 1)
        return pa.array(mean.astype(np.float32), mask=tokens == 0)


def _on_host(tensors: Sequence[Any]) -> list[Any]:
    return [tensor.cpu().numpy() for tensor in tensors]


def _ranges(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every whole number of [start, stop) of each pair, in order."""
    lengths = stops - starts
    before = np.cumsum(lengths) - lengths
    places: NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return places


def _among(found: Sequence[Span], seen: NDArray[np.int64]) -> list[Span]:
    """Entities as among the words seen alone; those without any are left out."""
    placed = []
    for kind, start, end in found:
        first, after = int(np.searchsorted(seen, start)), int(np.searchsorted(seen, end))
        if first < after:
            placed.append((kind, first, after))
    return placed


def _lists(words: Any, offsets: NDArray[np.int64]) -> Iterator[list[str]]:
    listed = words.to_pylist()
    for start, end in itertools.pairwise(offsets):
        yield listed[start:end]
