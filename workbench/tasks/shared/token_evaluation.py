"""Evaluating token by token: of each row its loss, and at each place with a label the likeliest token.

Language models share it, causal and masked. No logits are kept, only ids: 8 bytes a token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.shared.rows import IGNORED, TokenRows

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from transformers import PreTrainedTokenizerBase

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class PredictedTokens:
    """What a process has gathered: `rows` [n]; of each the negative log likelihood in nats, the tokens to predict, and
    those that were the likeliest: `sums` [n, 3]. `gold` and `predicted` are these tokens and the likeliest ones, row
    after row."""

    rows: NDArray[np.int64]
    sums: NDArray[np.float64]
    gold: Ids
    predicted: Ids

    @classmethod
    def joined(cls, parts: Sequence[PredictedTokens]) -> PredictedTokens:
        """All of them, in the order of their rows."""
        rows, sums = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "sums"))
        order = np.argsort(rows, kind="stable")
        gold, predicted = (
            np.concatenate([np.zeros(0, np.int32), *(each[place] for place in order)])
            for each in (
                [ids for part in parts for ids in part.each(part.gold)],
                [ids for part in parts for ids in part.each(part.predicted)],
            )
        )
        return cls(rows[order], sums[order], gold, predicted)

    def each(self, ids: Ids) -> list[Ids]:
        """`gold` or `predicted` by row."""
        return np.split(ids, np.cumsum(self.sums[:, 1].astype(np.int64))[:-1]) if len(self.rows) else []

    @property
    def measures(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """What the metrics of language models take of each row."""
        nll, tokens, right = self.sums.T
        return {"nll": nll, "tokens": tokens.astype(int), "right": right.astype(int)}


class TokenGatherer:
    """Takes batches while the device works on; `part` waits for it."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.int64]] = []
        self._kept: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def add(self, rows: NDArray[np.int64], sums: torch.Tensor, labels: torch.Tensor, predicted: torch.Tensor) -> None:
        """Tensors on any device: `sums` [rows, 3]; labels, `IGNORED` where nothing is to be predicted, and what was
        likeliest, [rows, longest] both."""
        self._rows.append(rows)
        self._kept.append((sums, labels, predicted))

    def part(self) -> PredictedTokens:
        none = np.zeros(0, np.int32)
        sums, gold, predicted = [np.zeros((0, 3))], [none], [none]
        for kept in self._kept:
            of_rows, labels, likeliest = (tensor.cpu().numpy() for tensor in kept)
            there = labels != IGNORED
            sums.append(of_rows.astype(np.float64))
            gold.append(labels[there].astype(np.int32))
            predicted.append(likeliest[there].astype(np.int32))
        return PredictedTokens(
            np.concatenate([np.zeros(0, np.int64), *self._rows]),
            np.concatenate(sums),
            np.concatenate(gold),
            np.concatenate(predicted),
        )


@dataclass(frozen=True)
class DecodedRows:
    """The rows of a split as texts, made once: they are the same in every evaluation."""

    rows: TokenRows
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def of_splits(cls, rows: Mapping[str, TokenRows], tokenizer: PreTrainedTokenizerBase) -> dict[str, DecodedRows]:
        return {split: cls(of_split, tokenizer) for split, of_split in rows.items()}

    @cached_property
    def column(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self.read(np.split(self.rows.ids, self.rows.bounds[1:-1])), pa.string())

    def table(self, found: PredictedTokens, readable: Callable[[Sequence[Ids]], list[str]]) -> pa.Table:
        """The rows' table: what was to be predicted and what was likeliest there, as `readable` makes texts of ids. A
        row's score is the share of its tokens that were right."""
        import pyarrow as pa

        nll, tokens, right = found.sums.T
        many = np.maximum(tokens, 1)
        return pa.table(
            {
                "row": pa.array(self.rows.source[found.rows]),
                "label": pa.array(readable(found.each(found.gold)), pa.string()),
                "prediction": pa.array(readable(found.each(found.predicted)), pa.string()),
                "score": pa.array((right / many).astype(np.float32)),
                "loss": pa.array((nll / many).astype(np.float32)),
                "tokens": pa.array(tokens.astype(np.int64)),
                "text": self.column.take(pa.array(found.rows)),
            }
        )

    def read(self, rows: Sequence[Ids]) -> list[str]:
        """The text of each row of ids, without special tokens."""
        ids = [row.tolist() for row in rows]
        texts: list[str] = self.tokenizer.batch_decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return texts

    def listed(self, rows: Sequence[Ids]) -> list[str]:
        """The tokens of each row side by side, where they do not stand together in the text: `the · hotel`."""
        known = np.unique(np.concatenate([np.zeros(0, np.int32), *rows])).tolist()
        names = {token: str(self.tokenizer.decode([token])).strip() for token in known}
        return [" · ".join(names[token] for token in row.tolist()) for row in rows]
