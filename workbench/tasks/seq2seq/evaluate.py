"""Judging a model that writes: the loss of every target, and what the model writes instead of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics import catalog
from workbench.tasks.interface import Prepared, Verdict, forward
from workbench.tasks.shared.rows import IGNORED, Batch

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.data.tables.splits import Splits


@dataclass(frozen=True)
class Share:
    """What a process has gathered: rows [n], the sum of the loss and tokens of each [n, 2], and texts if any.

    `unended` is how many texts were broken off where there was room for no more.
    """

    rows: NDArray[np.int64]
    sums: NDArray[np.float64]
    texts: list[str]
    unended: int


class WritingJudge:
    """Keeps of each row its loss in nats, its tokens and the ids written. `write` gives ids [rows, longest], or None
    where the loss alone is asked for; `read` makes ids a text, which `end` ends."""

    def __init__(
        self,
        split: str,
        splits: Splits,
        prepared: Prepared,
        *,
        write: Callable[[Any, Batch], Any] | None,
        read: Callable[[list[int]], str],
        end: int,
        language: str | None,
    ) -> None:
        self._split, self._splits, self._prepared = split, splits, prepared
        self._write, self._read, self._end, self._language = write, read, end, language
        self._rows: list[NDArray[np.int64]] = []
        self._sums: list[Any] = []
        self._ids: list[NDArray[np.int32]] = []

    def ask(self, model: Any, batch: Batch) -> tuple[Any, Any]:
        import torch

        outputs = forward(model, batch, use_cache=False)
        # A row at a time: all of them in fp32 would take as much memory as the whole training step.
        sums = [_sums(logits, labels) for logits, labels in zip(outputs.logits, batch["labels"], strict=True)]
        del outputs
        return torch.stack(sums), None if self._write is None else self._write(model, batch)

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: tuple[Any, Any]) -> None:
        sums, written = outputs
        self._rows.append(rows)
        self._sums.append(sums)
        if written is not None:
            # Every token of it has been waited for while it was written.
            self._ids += list(written.cpu().numpy().astype(np.int32))

    def part(self) -> Share:
        import torch

        if not self._rows:
            return Share(np.zeros(0, np.int64), np.zeros((0, 2)), [], 0)
        texts = [self._read(ids.tolist()).strip() for ids in self._ids]
        unended = sum(self._end not in ids for ids in self._ids)
        return Share(np.concatenate(self._rows), torch.cat(self._sums).cpu().numpy(), texts, unended)

    def verdict(self, parts: Sequence[Share]) -> Verdict:
        count = len(self._prepared.splits[self._split])
        sums = np.empty((count, 2))
        for part in parts:
            sums[part.rows] = part.sums
        nll, tokens = sums.T
        scalars = {"loss": float(nll.sum() / tokens.sum())}
        losses = nll / tokens
        if self._write is None:
            undefined = [name for name in catalog.of_task("seq2seq") if name != "loss"]
            return Verdict(scalars, undefined, predictions=partial(self._table, losses, None))
        texts = [""] * count
        for row, text in _together(parts):
            texts[row] = text
        result = self._measured(texts)
        table = partial(self._table, losses, texts)
        report = result["report"] | {"unended": sum(part.unended for part in parts)}
        return Verdict(scalars | result["scalars"], result["undefined"], report, table)

    def _gold(self) -> list[str]:
        found: list[str] = self._splits.texts(self._split, "target").to_pylist()
        return found

    def _measured(self, texts: list[str]) -> dict[str, Any]:
        from workbench.metrics.texts import Texts

        result: dict[str, Any] = Texts(language=self._language).compute(predictions=texts, references=self._gold())
        return result

    def _table(self, losses: NDArray[np.float64], texts: list[str] | None) -> pa.Table:
        import pyarrow as pa

        gold = self._gold()
        scores = None if texts is None else [alike(*pair) for pair in zip(texts, gold, strict=True)]
        nothing = pa.nulls(len(gold))
        return pa.table(
            {
                "row": pa.array(self._prepared.splits[self._split].source),
                "label": pa.array(gold, pa.string()),
                "prediction": nothing.cast(pa.string()) if texts is None else pa.array(texts, pa.string()),
                "score": nothing.cast(pa.float32()) if scores is None else pa.array(scores, pa.float32()),
                "loss": pa.array(losses.astype(np.float32)),
                "text": self._splits.texts(self._split),
            }
        )


def _sums(logits: Any, labels: Any) -> Any:
    """[negative log likelihood in nats, tokens] of one row, a float64 tensor."""
    import torch

    nll = torch.nn.functional.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
    return torch.stack([nll.double(), (labels != IGNORED).sum().double()])


def _together(parts: Sequence[Share]) -> Iterator[tuple[int, str]]:
    for part in parts:
        yield from zip(part.rows.tolist(), part.texts, strict=True)


def alike(written: str, gold: str) -> float:
    """How near a text is to the one it should be, 0 to 1: chrF (Popović 2015) of the pair.

    It counts runs of characters, so that it needs no words and reads Chinese as well as English.
    """
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().sentence_score(written, [gold]).score) / 100
