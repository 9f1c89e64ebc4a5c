"""Tokenized rows, packed into flat arrays, and the batches made of them.

A split of n rows with t tokens takes 4t + 8n bytes and no Python object a row, so that it is small, quick to index and
cheap to hand to a worker process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

IGNORED = -100  # the label that a loss leaves out, by convention of torch's cross_entropy


@dataclass(frozen=True)
class TokenRows:
    """`ids` int32 [tokens]; row i is `ids[bounds[i]:bounds[i + 1]]`. `labels` int64 [rows], one a row, or None.

    `source` int64 [rows] says which row of the user's split each one is.
    """

    ids: NDArray[np.int32]
    bounds: NDArray[np.int64]
    source: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None

    @classmethod
    def pack(
        cls,
        rows: Sequence[Sequence[int]],
        source: NDArray[np.int64] | None = None,
        labels: NDArray[np.int64] | None = None,
    ) -> TokenRows:
        lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
        ids = np.fromiter((token for row in rows for token in row), dtype=np.int32, count=int(lengths.sum()))
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        return cls(ids, bounds, np.arange(len(rows)) if source is None else source, labels)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.bounds)

    @property
    def tokens(self) -> int:
        return len(self.ids)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> dict[str, Any]:
        item: dict[str, Any] = {"input_ids": self.ids[self.bounds[row] : self.bounds[row + 1]], "row": row}
        if self.labels is not None:
            item["labels"] = self.labels[row]
        return item

    def digest(self) -> str:
        """16 hex digits, equal where every token and label is."""
        hashed = hashlib.sha256(self.bounds.tobytes())
        hashed.update(self.ids.tobytes())
        if self.labels is not None:
            hashed.update(self.labels.tobytes())
        return hashed.hexdigest()[:16]


Batch = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Padding:
    """Makes a batch: int64 `input_ids` and `attention_mask` [rows, longest], `labels` [rows] where rows have them.

    Where nothing is padded there is no mask: attention is faster without one.
    `to` pads to a fixed width instead of the longest row, `multiple` rounds the width up. With `own_labels` the
    tokens are the labels, padding left out of the loss.
    """

    pad_id: int
    side: str = "right"
    to: int | None = None
    multiple: int = 1
    own_labels: bool = False

    def __call__(self, items: Sequence[dict[str, Any]]) -> Batch:
        import torch

        lengths = [len(item["input_ids"]) for item in items]
        width = -(-max(self.to or 0, *lengths, 1) // self.multiple) * self.multiple
        ids = np.full((len(items), width), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(items), width), dtype=np.int64)
        for place, (item, length) in enumerate(zip(items, lengths, strict=True)):
            where = slice(0, length) if self.side == "right" else slice(width - length, width)
            ids[place, where] = item["input_ids"]
            mask[place, where] = 1
        batch = {"input_ids": torch.from_numpy(ids)}
        if min(lengths) < width:
            batch["attention_mask"] = torch.from_numpy(mask)
        if self.own_labels:
            batch["labels"] = torch.from_numpy(np.where(mask == 1, ids, IGNORED))
        elif "labels" in items[0]:
            batch["labels"] = torch.tensor([int(item["labels"]) for item in items])
        return batch


Collator = Callable[[Sequence[dict[str, Any]]], Batch]
