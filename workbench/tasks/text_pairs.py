"""Texts, or pairs of them, as a classifier reads them: the same for training, evaluation and predict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.tasks.encoding import encode

_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class Encoded:
    """Token ids of each row, special tokens and all; `segments` are as long, where the model tells two texts apart.

    `truncated` says how many rows were cut.
    """

    ids: list[list[int]]
    segments: list[list[int]] | None
    truncated: int

    def flat_segments(self) -> NDArray[np.int8] | None:
        """Those of all rows, one after the other, int8 [tokens]."""
        if self.segments is None:
            return None
        return np.concatenate([np.zeros(0, np.int8), *(np.asarray(row, np.int8) for row in self.segments)])

    def items(self) -> list[dict[str, Any]]:
        """Rows for a collator."""
        if self.segments is None:
            return [{"input_ids": row} for row in self.ids]
        pairs = zip(self.ids, self.segments, strict=True)
        return [{"input_ids": ids, "token_type_ids": segments} for ids, segments in pairs]


def has_segments(config: Any) -> bool:
    """Whether a model tells two texts apart by token types. Not every tokenizer says so of its model."""
    return (getattr(config, "type_vocab_size", None) or 0) > 1


def read(tokenizer: Any, texts: Any, others: Any | None, max_length: int, *, typed: bool) -> Encoded:
    """Each text, with the other of its row if there are others, in at most `max_length` tokens.

    Of a pair that is too long, tokens go from the end of the text that is longer at the time. `texts` and `others` are
    lists of strings or Arrow columns of them. With `typed` a pair has segments.
    """
    if others is None:
        ids, truncated = encode(tokenizer, texts, max_length)
        return Encoded(ids, None, truncated)
    rows: list[list[int]] = []
    segments: list[list[int]] = []
    truncated = 0
    for first, second in zip(_chunks(texts), _chunks(others), strict=True):
        encoded = _pairs(tokenizer, first, second, typed)
        long = [place for place, row in enumerate(encoded["input_ids"]) if len(row) > max_length]
        if long:
            cut = _pairs(tokenizer, [first[at] for at in long], [second[at] for at in long], typed, max_length)
            for name, values in encoded.items():
                for place, row in zip(long, cut[name], strict=True):
                    values[place] = row
            truncated += len(long)
        rows += encoded["input_ids"]
        segments += encoded.get("token_type_ids", [])
    return Encoded(rows, segments if typed else None, truncated)


def _pairs(
    tokenizer: Any, first: list[str], second: list[str], typed: bool, max_length: int | None = None
) -> dict[str, list[list[int]]]:
    limits: dict[str, Any] = {"truncation": "longest_first", "max_length": max_length} if max_length else {}
    encoded = tokenizer(
        first, second, return_attention_mask=False, return_token_type_ids=typed, verbose=False, padding=False, **limits
    )
    return {name: list(encoded[name]) for name in ("input_ids", "token_type_ids") if name in encoded}


def _chunks(texts: Sequence[str] | Any) -> Iterator[list[str]]:
    for start in range(0, len(texts), _AT_ONCE):
        part: Any = texts[start : start + _AT_ONCE]
        yield part if isinstance(part, list) else part.to_pylist()


def check_room(tokenizer: Any, max_length: int, *, pairs: bool) -> None:
    """Raises BadInput where the special tokens leave no room for a text."""
    special = tokenizer.num_special_tokens_to_add(pair=pairs)
    if max_length <= special + pairs:
        raise BadInput(
            f"{max_length} tokens leave no room beside the {special} special ones",
            where="data.max_length",
            mend=f"use {special + pairs + 1} or more",
        )


def said_of(tokenizer: Any) -> list[str]:
    """What a user of pairs should know of the tokenizer."""
    if tokenizer.num_special_tokens_to_add(pair=True) > tokenizer.num_special_tokens_to_add(pair=False):
        return []
    return ["the tokenizer puts nothing between the two texts of a pair: the model sees them as one"]
