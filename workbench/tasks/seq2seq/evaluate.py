"""How seq2seq is evaluated: the loss of every target, and what the model writes instead of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.metrics import catalog
from workbench.tasks.interface import EvaluationResult, Evaluator, forward
from workbench.tasks.seq2seq import searching
from workbench.tasks.seq2seq.data import PreparedPairs
from workbench.tasks.seq2seq.encode import end_of
from workbench.tasks.shared.generation import text_of
from workbench.tasks.shared.rows import IGNORED, Batch
from workbench.tasks.shared.token_loss import HasLogits

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from workbench.metrics.base import Measured

Outputs = tuple["torch.Tensor", "torch.Tensor | None"]  # sums, and ids written


def evaluator(prepared: PreparedPairs, split: str) -> Evaluator[Outputs, WrittenRows]:
    return WritingEvaluator(prepared, split)


@dataclass(frozen=True)
class WrittenRows:
    """What a process has gathered: rows [n], the sum of the loss and tokens of each [n, 2], and texts if any.

    `unended` is how many texts were broken off where there was room for no more.
    """

    rows: NDArray[np.int64]
    sums: NDArray[np.float64]
    texts: list[str]
    unended: int


class WritingEvaluator:
    """Keeps of each row its loss in nats, its tokens and, where the recipe has targets written, the ids written."""

    def __init__(self, prepared: PreparedPairs, split: str) -> None:
        self._prepared, self._split = prepared, split
        self._generates = prepared.recipe.evaluate.generate
        self._rows: list[NDArray[np.int64]] = []
        self._sums: list[torch.Tensor] = []
        self._ids: list[NDArray[np.int32]] = []

    def ask(self, model: PreTrainedModel, batch: Batch) -> Outputs:
        import torch

        outputs: HasLogits = forward(model, batch, use_cache=False)
        # A row at a time: all of them in fp32 would take as much memory as the whole training step.
        sums = [_sums(logits, labels) for logits, labels in zip(outputs.logits, batch["labels"], strict=True)]
        del outputs
        return torch.stack(sums), self._written(model, batch) if self._generates else None

    def _written(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        longest = self._prepared.own.sides.longest_target
        return searching.search(model, batch, self._prepared.recipe.evaluate.beams, longest)

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Outputs) -> None:
        sums, written = outputs
        self._rows.append(rows)
        self._sums.append(sums)
        if written is not None:
            # Every token of it has been waited for while it was written.
            self._ids += list(written.cpu().numpy().astype(np.int32))

    def part(self) -> WrittenRows:
        import torch

        if not self._rows:
            return WrittenRows(np.zeros(0, np.int64), np.zeros((0, 2)), [], 0)
        tokenizer = self._prepared.tokenizer
        texts = [text_of(tokenizer, ids.tolist()).strip() for ids in self._ids]
        end = end_of(tokenizer)
        unended = sum(end not in ids for ids in self._ids)
        return WrittenRows(np.concatenate(self._rows), torch.cat(self._sums).cpu().numpy(), texts, unended)

    def result(self, parts: Sequence[WrittenRows]) -> EvaluationResult:
        from workbench.metrics.base import with_loss

        count = len(self._prepared.rows[self._split])
        sums = np.empty((count, 2))
        for part in parts:
            sums[part.rows] = part.sums
        nll, tokens = sums.T
        loss, losses = float(nll.sum() / tokens.sum()), nll / tokens
        if not self._generates:
            undefined = [name for name in catalog.of_task("seq2seq") if name != "loss"]
            whole = with_loss({"scalars": {}, "undefined": undefined, "report": {}}, loss, sums)
            return EvaluationResult(**whole, predictions=partial(self._table, losses, None))
        texts = [""] * count
        for row, text in _together(parts):
            texts[row] = text
        whole = with_loss(self._measured(texts), loss, sums)
        whole["report"]["unended"] = sum(part.unended for part in parts)
        return EvaluationResult(**whole, predictions=partial(self._table, losses, texts))

    def _gold(self) -> list[str]:
        found: list[str] = self._prepared.splits.texts(self._split, "target").to_pylist()
        return found

    def _measured(self, texts: list[str]) -> Measured:
        from workbench.metrics.texts import Texts

        language = self._prepared.recipe.data.target_language
        measured: Measured = Texts(language=language).compute(predictions=texts, references=self._gold())
        return measured

    def _table(self, losses: NDArray[np.float64], texts: list[str] | None) -> pa.Table:
        import pyarrow as pa

        gold = self._gold()
        scores = None if texts is None else [alike(*pair) for pair in zip(texts, gold, strict=True)]
        nothing = pa.nulls(len(gold))
        return pa.table(
            {
                "row": pa.array(self._prepared.rows[self._split].source),
                "label": pa.array(gold, pa.string()),
                "prediction": nothing.cast(pa.string()) if texts is None else pa.array(texts, pa.string()),
                "score": nothing.cast(pa.float32()) if scores is None else pa.array(scores, pa.float32()),
                "loss": pa.array(losses.astype(np.float32)),
                "text": self._prepared.splits.texts(self._split),
            }
        )


def _sums(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """[negative log likelihood in nats, tokens] of one row, a float64 tensor."""
    import torch

    nll = torch.nn.functional.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
    return torch.stack([nll.double(), (labels != IGNORED).sum().double()])


def _together(parts: Sequence[WrittenRows]) -> Iterator[tuple[int, str]]:
    for part in parts:
        yield from zip(part.rows.tolist(), part.texts, strict=True)


def alike(written: str, gold: str) -> float:
    """How near a text is to the one it should be, 0 to 1: chrF (Popović 2015) of the pair.

    It counts runs of characters, so that it needs no words and reads Chinese as well as English.
    """
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().sentence_score(written, [gold]).score) / 100
