"""Tokenized rows, packed into flat arrays, and the batches made of them.

A split of n rows with t tokens takes 4t + 8n bytes and no Python object a row, so that it is small, quick to index and
cheap to hand to a worker process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

IGNORED = -100  # the label that a loss leaves out, by convention of torch's cross_entropy
LABEL_PLACES = "label_places"  # where in each row the few tokens are that have a label, [rows, most of a row]
_AT_ONCE = 1 << 22  # tags
FOR_THE_LOSS = ("labels", LABEL_PLACES)  # the fields of a batch that are not the model's

RowIds = Sequence[int] | NDArray[np.int32]
Numbers = NDArray[np.int64] | NDArray[np.int32] | NDArray[np.int8] | NDArray[np.float32] | NDArray[np.float64]


class RowItem(TypedDict, total=False):
    """A row by the names of transformers. `input_ids` are always there; `TokenRows` says what the others are."""

    input_ids: RowIds
    row: int
    labels: Numbers | np.generic
    tags: Numbers
    targets: RowIds
    token_type_ids: Numbers
    position_ids: Numbers


@dataclass(frozen=True)
class TokenRows:
    """`ids` int32 [tokens]; row i is `ids[bounds[i]:bounds[i + 1]]`.

    `source` int64 [rows] says which row of the user's split each one is: several may be windows of one.
    What is to be predicted is one of: `labels` [rows] or [rows, targets], whole numbers or floats; `tags` int32 or
    int64 [tokens], one a token; `targets`, as many other rows, to be written. `segments` int8 [tokens] are the token
    types of models that have them; `positions` int32 [tokens] begin anew where one document follows another in a block.
    """

    ids: NDArray[np.int32]
    bounds: NDArray[np.int64]
    source: NDArray[np.int64]
    labels: NDArray[np.int64] | NDArray[np.float32] | None = None
    tags: NDArray[np.int32] | NDArray[np.int64] | None = None
    targets: TokenRows | None = None
    segments: NDArray[np.int8] | None = None
    positions: NDArray[np.int32] | None = None

    @classmethod
    def pack(
        cls,
        rows: Sequence[RowIds],
        source: NDArray[np.int64] | None = None,
        labels: NDArray[np.int64] | NDArray[np.float32] | None = None,
        tags: NDArray[np.int64] | None = None,
        targets: TokenRows | None = None,
    ) -> TokenRows:
        ids, bounds = flattened(rows)
        return cls(ids, bounds, np.arange(len(rows)) if source is None else source, labels, tags, targets)

    def take(self, places: NDArray[np.int64]) -> TokenRows:
        """The rows at these places, in their order; a place may come several times."""
        along = np.concatenate([np.arange(self.bounds[place], self.bounds[place + 1]) for place in places])
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths[places])])
        return TokenRows(
            self.ids[along],
            bounds,
            self.source[places],
            labels=None if self.labels is None else self.labels[places],
            tags=None if self.tags is None else self.tags[along],
            targets=None if self.targets is None else self.targets.take(places),
            segments=None if self.segments is None else self.segments[along],
            positions=None if self.positions is None else self.positions[along],
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.bounds)

    @property
    def tokens(self) -> int:
        return len(self.ids)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> RowItem:
        where = slice(self.bounds[row], self.bounds[row + 1])
        item: RowItem = {"input_ids": self.ids[where], "row": row}
        if self.labels is not None:
            item["labels"] = self.labels[row]
        if self.tags is not None:
            item["tags"] = self.tags[where]
        if self.targets is not None:
            item["targets"] = self.targets[row]["input_ids"]
        if self.segments is not None:
            item["token_type_ids"] = self.segments[where]
        if self.positions is not None:
            item["position_ids"] = self.positions[where]
        return item

    def digest(self) -> str:
        """16 hex digits, equal where every token and label is."""
        hashed = hashlib.sha256(np.ascontiguousarray(self.bounds).data)
        for values in (self.ids, self.labels, *self._wide_tags(), self.segments, self.positions):
            hashed.update(b"" if values is None or not values.size else np.ascontiguousarray(values).data)
        hashed.update(b"" if self.targets is None else self.targets.digest().encode())
        return hashed.hexdigest()[:16]

    def _wide_tags(self) -> Iterator[NDArray[np.int64]]:
        """The tags as int64, a few million at a time: a digest does not depend on how they are held."""
        tags = np.zeros(0, np.int64) if self.tags is None else self.tags
        for start in range(0, len(tags), _AT_ONCE):
            yield tags[start : start + _AT_ONCE].astype(np.int64, copy=False)


def flattened(rows: Sequence[RowIds]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The ids of all rows, one after the other, and where each begins and ends [rows + 1]."""
    lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    ids = np.concatenate([np.zeros(0, np.int32), *(np.asarray(row, np.int32) for row in rows)])
    return ids, np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


Batch = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Padding:
    """Makes a batch: int64 `input_ids` and `attention_mask` [rows, longest], and `labels`.

    Labels are those of the rows [rows] or [rows, targets], or their tags or targets [rows, longest], padded with
    `IGNORED`. Where nothing is padded there is no mask: attention is faster without one.
    `to` pads to a fixed width instead of the longest row, `multiple` rounds the width up, to `most` at most. With
    `own_labels` the tokens are the labels; left out of the loss are padding and the first token of a row, which nothing
    predicts.
    """

    pad_id: int
    side: str = "right"
    to: int | None = None
    multiple: int = 1
    own_labels: bool = False
    most: int | None = None
    exact: bool = False

    def rounded(self, multiple: int, most: int) -> Padding:
        """Batches of few widths: multiples of this one, and `most`, which no row is longer than. Where the loss looks
        at the padding too (`exact`), the width stays that of the longest row."""
        return self if self.exact else replace(self, multiple=multiple, most=most)

    def __call__(self, items: Sequence[RowItem]) -> Batch:
        import torch

        lengths = [len(item["input_ids"]) for item in items]
        longest = max(self.to or 0, *lengths, 1)
        width = max(longest, min(self._up(longest), self.most or self._up(longest)))
        batch: dict[str, Numbers] = {
            "input_ids": self._padded([item["input_ids"] for item in items], width, self.pad_id)
        }
        if min(lengths) < width:
            mask = self._padded([np.ones(length, np.int64) for length in lengths], width, 0)
            batch["attention_mask"] = mask
        if "token_type_ids" in items[0]:
            batch["token_type_ids"] = self._padded([item["token_type_ids"] for item in items], width, 0)
        if "position_ids" in items[0]:
            batch["position_ids"] = self._padded([item["position_ids"] for item in items], width, 0)
        labels = self._labels(items, width)
        if labels is not None:
            batch["labels"] = labels
        return {name: torch.as_tensor(values) for name, values in batch.items()}

    def _up(self, width: int) -> int:
        return -(-width // self.multiple) * self.multiple

    def _padded(self, rows: Sequence[RowIds | Numbers], width: int, fill: int) -> NDArray[np.int64]:
        padded = np.full((len(rows), width), fill, dtype=np.int64)
        for place, row in enumerate(rows):
            where = slice(0, len(row)) if self.side == "right" else slice(width - len(row), width)
            padded[place, where] = row
        return padded

    def _labels(self, items: Sequence[RowItem], width: int) -> Numbers | None:
        if "tags" in items[0]:
            return self._padded([item["tags"] for item in items], width, IGNORED)
        if self.own_labels:
            # A step is divided by its labels: what the loss leaves out must not be one.
            targets = [np.append(np.int64(IGNORED), item["input_ids"][1:]) for item in items]
            return self._padded(targets, width, IGNORED)
        if "targets" in items[0]:
            longest = self._up(max(len(item["targets"]) for item in items))
            return Padding(self.pad_id)._padded([item["targets"] for item in items], longest, IGNORED)
        return np.stack([item["labels"] for item in items]) if "labels" in items[0] else None


class Collator(Protocol):
    """Makes a batch of rows."""

    def __call__(self, items: Sequence[RowItem], /) -> Batch: ...

    def rounded(self, multiple: int, most: int) -> Collator:
        """The same for batches of few shapes, as `Padding.rounded` says."""
