"""How well words were tagged: from the likeliest tag of each token back to the entities of each row."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.coding import encode
from workbench.metrics import catalog
from workbench.metrics.entities import Span, spans
from workbench.tasks.interface import EvaluationResult, Evaluator, forward
from workbench.tasks.shared.rows import IGNORED, Batch
from workbench.tasks.shared.token_loss import HasLogits
from workbench.tasks.token_classification.data import PreparedWords

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from workbench.metrics.base import Measured

Outputs = tuple["torch.Tensor", "torch.Tensor"]

_UNSEEN = -1
_OF_ENTITIES = tuple(
    name for name, metric in catalog.of_task("token-classification").items() if "plain-tags" not in metric.of
)


def evaluator(prepared: PreparedWords, split: str) -> Evaluator[Outputs, PredictedTags]:
    return TagEvaluator(prepared, split)


@dataclass(frozen=True)
class PredictedTags:
    """What one process has gathered: windows, and of their tokens that carry a tag, in order, the likeliest and the
    loss in nats."""

    windows: NDArray[np.int64]
    predicted: NDArray[np.int64]
    losses: NDArray[np.float32]


@dataclass(frozen=True)
class RowTags:
    """One row in canonical tags: `every` gold one; gold and predicted of the words that are seen, and where these
    stand among all its words."""

    every: list[str]
    gold: list[str]
    predicted: list[str]
    seen: NDArray[np.int64]

    def whole(self, found: Sequence[Span]) -> list[Span]:
        """Entities among the words seen, as among all words."""
        return [(kind, int(self.seen[start]), int(self.seen[end - 1]) + 1) for kind, start, end in found]


class TagEvaluator:
    """Keeps the likeliest tag and the loss of each token of a split, never its logits."""

    def __init__(self, prepared: PreparedWords, split: str) -> None:
        facts = prepared.own
        self._split, self._splits, self._rows = split, prepared.splits, prepared.rows[split]
        self._aligned, self._tagset, self._writing = facts.aligned[split], facts.tagset, facts.writing
        self._windows: list[NDArray[np.int64]] = []
        self._kept: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def ask(self, model: PreTrainedModel, batch: Batch) -> Outputs:
        """The likeliest tag and the loss of every token, [rows, longest]."""
        import torch

        outputs: HasLogits = forward(model, batch)
        logits = outputs.logits.float()
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), batch["labels"], ignore_index=IGNORED, reduction="none"
        )
        return logits.argmax(-1), losses

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Outputs) -> None:
        self._windows.append(rows)
        self._kept.append((batch["labels"] != IGNORED, *outputs))

    def part(self) -> PredictedTags:
        tagged = [(likeliest[there], losses[there]) for there, likeliest, losses in map(_on_host, self._kept)]
        return PredictedTags(
            np.concatenate([np.zeros(0, np.int64), *self._windows]),
            np.concatenate([np.zeros(0, np.int64), *(likeliest for likeliest, _ in tagged)]),
            np.concatenate([np.zeros(0, np.float32), *(losses for _, losses in tagged)]),
        )

    def result(self, parts: Sequence[PredictedTags]) -> EvaluationResult:
        from workbench.metrics.base import with_loss

        predicted, losses = self._gathered(parts)
        rows = list(self._by_row(predicted))
        measured = self._entities(rows) if self._tagset.spells_entities else self._plain(predicted)
        whole = with_loss(measured, float(losses.mean(dtype=np.float64)), np.stack(self._row_sums(losses), axis=1))
        return EvaluationResult(**whole, predictions=partial(self._table, rows, predicted, losses))

    def _gathered(self, parts: Sequence[PredictedTags]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The predicted id of every word, -1 where nothing was seen; the loss of every token with a tag."""
        place = self._aligned.place
        assert self._rows.tags is not None, "the rows have tags"
        tagged = self._rows.tags != IGNORED
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(tagged)])[self._rows.bounds]
        by_token = np.full(bounds[-1], _UNSEEN)
        losses = np.zeros(bounds[-1], np.float32)
        for part in parts:
            where = _ranges(bounds[part.windows], bounds[part.windows + 1])
            by_token[where], losses[where] = part.predicted, part.losses
        first = self._aligned.firsts[tagged]
        predicted = np.full(len(self._aligned.gold), _UNSEEN)
        predicted[place[tagged][first]] = by_token[first]
        return predicted, losses

    def _by_row(self, predicted: NDArray[np.int64]) -> Iterator[RowTags]:
        names = np.array(self._tagset.canonical, object)
        gold, offsets = self._aligned.spelt(self._tagset), self._aligned.offsets
        for start, end in itertools.pairwise(offsets):
            seen = np.flatnonzero(predicted[start:end] >= 0)
            every = names[self._aligned.gold[start:end]].tolist()
            yield RowTags(every, names[gold[start + seen]].tolist(), names[predicted[start + seen]].tolist(), seen)

    def _entities(self, rows: Sequence[RowTags]) -> Measured:
        from workbench.metrics.tagging import Entities

        measured: Measured = Entities(self._tagset.types, scheme=self._tagset.scheme).compute(
            predictions=[row.predicted for row in rows],
            references=[row.gold for row in rows],
            missed=list(self._aligned.missed(self._tagset).items()),
        )
        return measured

    def _plain(self, predicted: NDArray[np.int64]) -> Measured:
        """Of tags that spell no entities: how often they are right, and each tag against the rest."""
        from workbench.metrics.base import outcome
        from workbench.metrics.confusion import Confusion
        from workbench.metrics.intervals import Share, of_rows

        size, seen = len(self._tagset.names), predicted >= 0
        counts = np.bincount(self._aligned.gold[seen] * size + predicted[seen], minlength=size * size)
        matrix = counts.reshape(size, size).tolist()
        confusion = Confusion.parse(self._tagset.names, matrix)
        report = {
            "labels": self._tagset.names,
            "confusion": matrix,
            "per_class": [encode(entry) for entry in confusion.report()],
        }
        values = {"token_accuracy": confusion.accuracy} | dict.fromkeys(_OF_ENTITIES)
        return outcome(values, report, of_rows(self._right(predicted), {"token_accuracy": Share(0, 1)}))

    def _right(self, predicted: NDArray[np.int64]) -> NDArray[np.float64]:
        """How many words of each row are tagged right, and how many are seen, [rows, 2]."""
        offsets, seen = self._aligned.offsets, predicted >= 0
        of = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        right = predicted == self._aligned.gold
        counted = [np.bincount(of[words], minlength=len(offsets) - 1) for words in (right & seen, seen)]
        return np.stack(counted, axis=1).astype(np.float64)

    def _table(self, rows: Sequence[RowTags], predicted: NDArray[np.int64], losses: NDArray[np.float32]) -> pa.Table:
        import pyarrow as pa

        from workbench.data.tables import tagged
        from workbench.data.tables.columns import ROW

        offsets = pa.array(self._aligned.offsets)
        words = tagged.words(self._splits, self._split).flat.combine_chunks()
        names = pa.array(self._tagset.names, pa.string())
        lists = zip(rows, _lists(words, self._aligned.offsets), strict=True)
        label, prediction, score, text = zip(*(self._readable_row(row, tokens) for row, tokens in lists), strict=True)
        return pa.table(
            {
                "row": self._splits.tables()[self._split].column(ROW),
                "label": pa.array(label, pa.string()),
                "prediction": pa.array(prediction, pa.string()),
                "score": pa.array(score, pa.float32()),
                "loss": self._row_losses(losses),
                "text": pa.array(text, pa.string()),
                "tokens": pa.LargeListArray.from_arrays(offsets, words),
                "gold": pa.LargeListArray.from_arrays(offsets, names.take(pa.array(self._aligned.gold))),
                "called": pa.LargeListArray.from_arrays(
                    offsets, names.take(pa.array(predicted, pa.int64(), mask=predicted == _UNSEEN))
                ),
            }
        )

    def _readable_row(self, row: RowTags, tokens: list[str]) -> tuple[str, str, float, str]:
        """Gold and predicted tags of a row as they are read, how good the predicted are, and the row as a text."""
        text, _ = self._writing.joined(tokens)
        if not self._tagset.spells_entities:
            right = [one == other for one, other in zip(row.gold, row.predicted, strict=True)]
            return " ".join(row.every), " ".join(row.predicted), float(np.mean(right)) if right else 1.0, text
        every, gold, predicted = (spans(found, self._tagset.scheme) for found in (row.every, row.gold, row.predicted))
        both = len(every) + len(predicted)
        score = 2 * len(set(gold) & set(predicted)) / both if both else 1.0
        return self._readable(every, tokens), self._readable(row.whole(predicted), tokens), score, text

    def _readable(self, found: Sequence[Span], tokens: list[str]) -> str:
        """`PER: Karl Ove Knausgård; LOC: Oslo`."""
        from workbench.data.tables.label_sets import NONE

        named = (f"{kind}: {self._writing.joined(tokens[start:end])[0]}" for kind, start, end in found)
        return "; ".join(named) or NONE

    def _row_losses(self, losses: NDArray[np.float32]) -> pa.Array:
        """The mean loss of each row's tokens, null where it has none."""
        import pyarrow as pa

        sums, tokens = self._row_sums(losses)
        return pa.array((sums / np.maximum(tokens, 1)).astype(np.float32), mask=tokens == 0)

    def _row_sums(self, losses: NDArray[np.float32]) -> list[NDArray[np.number]]:
        """The loss of each row's tokens, and how many those are."""
        assert self._rows.tags is not None, "the rows have tags"
        of = np.repeat(self._aligned.row, self._rows.lengths)[self._rows.tags != IGNORED]
        rows = len(self._aligned.offsets) - 1
        return [np.bincount(of, weights=losses, minlength=rows), np.bincount(of, minlength=rows)]


def _on_host(tensors: Sequence[torch.Tensor]) -> list[NDArray[np.generic]]:
    return [tensor.cpu().numpy() for tensor in tensors]


def _ranges(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every whole number of [start, stop) of each pair, in order."""
    lengths = stops - starts
    before = np.cumsum(lengths) - lengths
    places: NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return places


def _lists(words: pa.Array, offsets: NDArray[np.int64]) -> Iterator[list[str]]:
    listed = words.to_pylist()
    for start, end in itertools.pairwise(offsets):
        yield listed[start:end]
