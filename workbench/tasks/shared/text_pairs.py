"""Texts, or pairs of them, as a classifier reads them: the same for training, evaluation and predict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.contracts.answers import CutText
from workbench.core.errors import BadInput
from workbench.data.cache.word_ids import WordIds, flat
from workbench.tasks.shared.encoding import Texts, TokenIds, assembled, encoded, in_pieces, truncates_right
from workbench.tasks.shared.rows import RowItem

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase


def items(read: Iterator[TokenIds]) -> list[RowItem]:
    """Rows for a collator."""
    found = TokenIds.joined(list(read))
    if found.segments is None:
        return [{"input_ids": row} for row in found.rows()]
    segments = np.split(found.segments, found.bounds[1:-1])
    pairs = zip(found.rows(), segments, strict=True)
    return [{"input_ids": ids, "token_type_ids": types} for ids, types in pairs]


def cuts(
    tokenizer: PreTrainedTokenizerBase, asked: Sequence[Sequence[str]], read: Sequence[RowItem], max_length: int
) -> list[CutText | None]:
    """What of each row, a text or two, was cut at `max_length` tokens. Only rows of that length are counted anew."""
    full = [place for place, item in enumerate(read) if len(item["input_ids"]) >= max_length]
    found: list[CutText | None] = [None] * len(read)
    for place in full:
        whole = len(tokenizer(*asked[place], verbose=False)["input_ids"])
        found[place] = CutText(max_length, whole) if whole > max_length else None
    return found


def has_segments(config: PreTrainedConfig) -> bool:
    """Whether a model tells two texts apart by token types. Not every tokenizer says so of its model."""
    return (getattr(config, "type_vocab_size", None) or 0) > 1


def read(
    tokenizer: PreTrainedTokenizerBase, texts: Texts, others: Texts | None, max_length: int, *, typed: bool
) -> Iterator[TokenIds]:
    """Each text, with the other of its row if there are others, in at most `max_length` tokens.

    Of a pair that is too long, tokens go from the end of the text that is longer at the time. `texts` and `others` are
    lists of strings or Arrow columns of them. With `typed` a pair has segments.
    """
    if others is None:
        return encoded(tokenizer, texts, max_length)
    return in_pieces(_Pairs(tokenizer, max_length, typed), texts, others)


@dataclass(frozen=True)
class _Around:
    """Special tokens before, between and after the two texts of a pair, and their segments; then those of the texts."""

    ids: tuple[list[int], list[int], list[int]]
    segments: tuple[list[int], list[int], list[int]]
    of_texts: tuple[int, int]


@dataclass(frozen=True)
class _Pairs:
    """Two texts a row."""

    tokenizer: PreTrainedTokenizerBase
    max_length: int
    typed: bool

    def words(self) -> WordIds | None:
        words = WordIds.of(getattr(self.tokenizer, "backend_tokenizer", None))
        if words is None or not truncates_right(self.tokenizer):
            return None
        around = self._around(words)
        return None if around is None or sum(map(len, around.ids)) + 1 >= self.max_length else words

    def by_tokenizer(self, *columns: list[str]) -> TokenIds:
        first, second = columns
        found = self._encoded(first, second)
        ids = found["input_ids"]
        long = [place for place, row in enumerate(ids) if len(row) > self.max_length]
        if long:
            cut = self._encoded([first[at] for at in long], [second[at] for at in long], self.max_length)
            for name, values in found.items():
                for place, row in zip(long, cut[name], strict=True):
                    values[place] = row
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        segments = flat(found["token_type_ids"]).astype(np.int8) if "token_type_ids" in found else None
        return TokenIds(flat(ids), lengths, len(long), segments)

    def _encoded(
        self, first: list[str], second: list[str], max_length: int | None = None
    ) -> dict[str, list[list[int]]]:
        limits = {"truncation": "longest_first", "max_length": max_length} if max_length else {}
        found = self.tokenizer(
            first,
            second,
            return_attention_mask=False,
            return_token_type_ids=self.typed,
            verbose=False,
            padding=False,
            **limits,
        )
        return {name: list(found[name]) for name in ("input_ids", "token_type_ids") if name in found}

    def by_words(self, words: WordIds, *columns: pa.StringArray) -> TokenIds:
        around = self._around(words)
        assert around is not None, "there are words only where it is known what stands around them"
        (first, starts), (second, others) = (words.encode(column) for column in columns)
        counts, theirs = np.diff(starts), np.diff(others)
        kept, kept_theirs = _longest_first(counts, theirs, self.max_length - sum(map(len, around.ids)))
        cut = int(((kept < counts) | (kept_theirs < theirs)).sum())
        before, between, after = (np.asarray(part, np.int32) for part in around.ids)
        ids, lengths = assembled(
            [before, (first, starts[:-1], kept), between, (second, others[:-1], kept_theirs), after]
        )
        if not self.typed:
            return TokenIds(ids, lengths, cut)
        before, between, after = (np.asarray(part, np.int32) for part in around.segments)
        of_first, of_second = (
            np.full(len(part), type, np.int32) for part, type in zip((first, second), around.of_texts, strict=True)
        )
        segments, _ = assembled(
            [before, (of_first, starts[:-1], kept), between, (of_second, others[:-1], kept_theirs), after]
        )
        return TokenIds(ids, lengths, cut, segments.astype(np.int8))

    def _around(self, words: WordIds) -> _Around | None:
        """As the pair "a" and "b" shows it; None where the two are not found in their places."""
        found = self._encoded(["a"], ["b"])
        ids = found["input_ids"][0]
        types = found.get("token_type_ids", [[0] * len(ids)])[0]
        one, other = (words.encode(pa.array([word]))[0].tolist() for word in ("a", "b"))
        if len(one) != 1 or len(other) != 1 or ids.count(one[0]) != 1 or ids.count(other[0]) != 1:
            return None
        at, then = ids.index(one[0]), ids.index(other[0])
        if then < at:
            return None
        return _Around(
            (ids[:at], ids[at + 1 : then], ids[then + 1 :]),
            (types[:at], types[at + 1 : then], types[then + 1 :]),
            (types[at], types[then]),
        )


def _longest_first(
    first: NDArray[np.int64], second: NDArray[np.int64], room: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many tokens stay of each text of a pair, as tokenizers' `TruncationStrategy::LongestFirst` has it.

    A short text stays whole; where both are longer than half of the room, the second gets what is odd.
    """
    shorter = np.minimum(first, second)
    rest = np.where(shorter > room, shorter, np.maximum(shorter, room - shorter))
    halved = shorter + rest > room
    low = np.where(halved, room // 2, shorter)
    high = np.where(halved, room // 2 + room % 2, rest)
    fits = first + second <= room
    swapped = first > second
    kept = np.where(swapped, high, low), np.where(swapped, low, high)
    return np.where(fits, first, np.minimum(first, kept[0])), np.where(fits, second, np.minimum(second, kept[1]))


def check_room(tokenizer: PreTrainedTokenizerBase, max_length: int, *, pairs: bool) -> None:
    """Raises BadInput where the special tokens leave no room for a text."""
    special = tokenizer.num_special_tokens_to_add(pair=pairs)
    if max_length <= special + pairs:
        raise BadInput(
            f"{max_length} tokens leave no room beside the {special} special ones",
            where="data.max_length",
            hint=f"use {special + pairs + 1} or more",
        )


def notes_of(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What a user of pairs should know of the tokenizer."""
    if tokenizer.num_special_tokens_to_add(pair=True) > tokenizer.num_special_tokens_to_add(pair=False):
        return []
    return ["the tokenizer puts nothing between the two texts of a pair: the model sees them as one"]
