"""Judging token by token: of each row its loss, and at each place that was to be foreseen what was likeliest there.

Language models share it, causal and masked. No logits are kept, only ids: 8 bytes a token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.shared.rows import IGNORED, TokenRows

if TYPE_CHECKING:
    import pyarrow as pa

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Foreseen:
    """What a process has gathered: `rows` [n]; of each the negative log likelihood in nats, the tokens that were to be
    foreseen, and those that were the likeliest: `sums` [n, 3]. `gold` and `called` are these tokens and the likeliest
    ones, row after row."""

    rows: NDArray[np.int64]
    sums: NDArray[np.float64]
    gold: Ids
    called: Ids

    @classmethod
    def joined(cls, parts: Sequence[Foreseen]) -> Foreseen:
        """All of them, in the order of their rows."""
        rows, sums = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "sums"))
        order = np.argsort(rows, kind="stable")
        gold, called = (
            np.concatenate([np.zeros(0, np.int32), *(each[place] for place in order)])
            for each in (
                [ids for part in parts for ids in part.each(part.gold)],
                [ids for part in parts for ids in part.each(part.called)],
            )
        )
        return cls(rows[order], sums[order], gold, called)

    def each(self, ids: Ids) -> list[Ids]:
        """`gold` or `called` by row."""
        return np.split(ids, np.cumsum(self.sums[:, 1].astype(np.int64))[:-1]) if len(self.rows) else []


class Gathering:
    """Takes batches while the device works on; `held` waits for it."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.int64]] = []
        self._kept: list[tuple[Any, Any, Any]] = []

    def add(self, rows: NDArray[np.int64], sums: Any, labels: Any, called: Any) -> None:
        """Tensors on any device: `sums` [rows, 3]; labels, `IGNORED` where nothing is foreseen, and what was likeliest,
        [rows, longest] both."""
        self._rows.append(rows)
        self._kept.append((sums, labels, called))

    def held(self) -> Foreseen:
        none = np.zeros(0, np.int32)
        sums, gold, called = [np.zeros((0, 3))], [none], [none]
        for kept in self._kept:
            of_rows, labels, likeliest = (tensor.cpu().numpy() for tensor in kept)
            there = labels != IGNORED
            sums.append(of_rows.astype(np.float64))
            gold.append(labels[there].astype(np.int32))
            called.append(likeliest[there].astype(np.int32))
        return Foreseen(
            np.concatenate([np.zeros(0, np.int64), *self._rows]),
            np.concatenate(sums),
            np.concatenate(gold),
            np.concatenate(called),
        )


class Texts:
    """The rows of a split as texts, made once: they are the same in every evaluation."""

    def __init__(self, rows: TokenRows, tokenizer: Any) -> None:
        self._rows, self._tokenizer = rows, tokenizer
        self._column: pa.Array | None = None

    def column(self) -> pa.Array:
        import pyarrow as pa

        if self._column is None:
            parts = np.split(self._rows.ids, self._rows.bounds[1:-1])
            self._column = pa.array(self.read(parts), pa.string())
        return self._column

    def table(self, found: Foreseen, tell: Callable[[Sequence[Ids]], list[str]]) -> pa.Table:
        """The rows' table: what was to be foreseen and what was likeliest there, as `tell` makes texts of ids. A row's
        score is the share of its tokens that were right."""
        import pyarrow as pa

        nll, tokens, right = found.sums.T
        many = np.maximum(tokens, 1)
        return pa.table(
            {
                "row": pa.array(self._rows.source[found.rows]),
                "label": pa.array(tell(found.each(found.gold)), pa.string()),
                "prediction": pa.array(tell(found.each(found.called)), pa.string()),
                "score": pa.array((right / many).astype(np.float32)),
                "loss": pa.array((nll / many).astype(np.float32)),
                "tokens": pa.array(tokens.astype(np.int64)),
                "text": self.column().take(pa.array(found.rows)),
            }
        )

    def read(self, rows: Sequence[Ids]) -> list[str]:
        """The text of each row of ids, without special tokens."""
        texts: list[str] = self._tokenizer.batch_decode(
            [row.tolist() for row in rows], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return texts

    def listed(self, rows: Sequence[Ids]) -> list[str]:
        """The tokens of each row side by side, where they do not stand together in the text: `the · hotel`."""
        known = np.unique(np.concatenate([np.zeros(0, np.int32), *rows])).tolist()
        names = {token: self._tokenizer.decode([token]).strip() for token in known}
        return [" · ".join(names[token] for token in row.tolist()) for row in rows]
