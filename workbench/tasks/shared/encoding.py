"""From texts to token ids, and how many texts were cut on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.data.cache.word_ids import WordIds, flat, gathered, on_all_cores, pieces

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BatchEncoding, PreTrainedTokenizerBase

Texts: TypeAlias = "list[str] | pa.ChunkedArray | pa.Array"

_AT_ONCE: Final = 1000
_SOME: Final = 64  # texts, from which on several cores are worth their waking
_MANY: Final = 2000  # texts, from which on a table of their words is worth its making
# Rows on which both ways must agree: of the first piece, and as many of its longest; of every other piece.
_COMPARED: Final = 96
_COMPARED_LATER: Final = 8
_LONG: Final = 20_000  # bytes of a text that is compared


@dataclass(frozen=True)
class TokenIds:
    """Token ids of some rows, special tokens and all: `ids` int32 [tokens], of `lengths` int64 [rows].

    `segments` int8 [tokens] tell the two texts of a pair apart, where the model does. `cut` rows were too long.
    """

    ids: NDArray[np.int32]
    lengths: NDArray[np.int64]
    cut: int
    segments: NDArray[np.int8] | None = None

    @property
    def bounds(self) -> NDArray[np.int64]:
        """Where the ids of each row begin and end [rows + 1]."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths)])

    def rows(self) -> list[NDArray[np.int32]]:
        """The ids of each row."""
        return np.split(self.ids, self.bounds[1:-1]) if len(self.lengths) else []

    @classmethod
    def joined(cls, parts: Sequence[TokenIds]) -> TokenIds:
        """The rows of all parts, in their order."""
        typed = [part.segments for part in parts if part.segments is not None]
        return cls(
            np.concatenate([np.zeros(0, np.int32), *(part.ids for part in parts)]),
            np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)]),
            sum(part.cut for part in parts),
            np.concatenate(typed) if typed else None,
        )


class AsksTokenizer(Protocol):
    """A tokenizer, or what asks one in a way of its own."""

    @property
    def backend_tokenizer(self) -> Tokenizer | None: ...

    def __call__(self, texts: list[str], **options: object) -> BatchEncoding: ...


class RowEncoder(Protocol):
    """How rows of one text or several become ids, in two ways that agree."""

    def by_tokenizer(self, *columns: list[str]) -> TokenIds:
        """What the tokenizer says."""

    def by_words(self, words: WordIds, *columns: pa.StringArray) -> TokenIds:
        """The same, of the ids of the words."""

    def words(self) -> WordIds | None:
        """The table of the tokenizer's words; None where ids are not made of those of words."""


def encode(tokenizer: AsksTokenizer, texts: Texts, max_length: int) -> tuple[list[list[int]], int]:
    """Ids of each text, special tokens included, at most `max_length` of them; and how many texts were cut.

    `texts` is a list of strings or an Arrow column of them.
    """
    found = TokenIds.joined(list(encoded(tokenizer, texts, max_length)))
    return [row.tolist() for row in found.rows()], found.cut


def encoded(tokenizer: AsksTokenizer, texts: Texts, max_length: int) -> Iterator[TokenIds]:
    """The same as arrays, some thousands of rows at a time: memory holds no more than the caller keeps."""
    return in_pieces(_Alone(tokenizer, max_length), texts)


def in_pieces(reading: RowEncoder, *columns: Texts) -> Iterator[TokenIds]:
    """Rows of these columns (lists of strings or Arrow columns of one length), some thousands at a time."""
    return Reader(reading, many=len(columns[0]) >= _MANY).read(*columns)


class Reader:
    """Reads rows of one kind, call after call. With `many` they are read by their words.

    Some of each piece are then compared with what the tokenizer says, and it reads all the rest where the two differ.
    """

    def __init__(self, reading: RowEncoder, *, many: bool) -> None:
        self._reading = reading
        self._words = reading.words() if many else None
        self._compared = False

    def read(self, *columns: Texts) -> Iterator[TokenIds]:
        """Lists of strings or Arrow columns of one length, some thousands of rows at a time."""
        arrays = None if self._words is None else _arrays(columns)
        if arrays is None:
            yield from _slowly(self._reading, columns)
            return
        start = 0
        for parts in pieces(*arrays):
            found = self._by_words(parts)
            if found is None:
                self._words = None
                yield from _slowly(self._reading, [column[start:] for column in arrays])
                return
            start += len(parts[0])
            yield found

    def _by_words(self, parts: list[pa.StringArray]) -> TokenIds | None:
        """None where the tokenizer must be asked instead."""
        if self._words is None or any(part.null_count for part in parts):
            return None
        found = self._reading.by_words(self._words, *parts)
        agreed = _agree(self._reading, parts, found, thorough=not self._compared)
        self._compared = True
        return found if agreed else None


def alone(tokenizer: AsksTokenizer, max_length: int, *, many: bool) -> Reader:
    """Reads texts, each in at most `max_length` tokens."""
    return Reader(_Alone(tokenizer, max_length), many=many)


def _slowly(reading: RowEncoder, columns: Sequence[Texts]) -> Iterator[TokenIds]:
    for start in range(0, len(columns[0]), _AT_ONCE):
        parts = [column[start : start + _AT_ONCE] for column in columns]
        lists = [part if isinstance(part, list) else part.to_pylist() for part in parts]
        with on_all_cores() if len(lists[0]) >= _SOME else contextlib.nullcontext():
            made = reading.by_tokenizer(*lists)
        yield made


def _arrays(columns: Sequence[Texts]) -> list[pa.ChunkedArray] | None:
    """The columns as Arrow has them; None where a text holds half a surrogate pair, which it does not take."""
    try:
        return [pa.array(column, pa.string()) if isinstance(column, list) else column for column in columns]
    except (UnicodeEncodeError, pa.ArrowException, TypeError):
        return None


def _agree(reading: RowEncoder, parts: Sequence[pa.StringArray], found: TokenIds, *, thorough: bool) -> bool:
    """Whether the tokenizer says the same of some rows: spread evenly, and of the first piece the longest too."""
    rows = len(parts[0])
    sizes = np.sum(
        [np.diff(np.frombuffer(part.buffers()[1], np.int32)[part.offset :][: rows + 1]) for part in parts], 0
    )
    chosen = np.linspace(0, rows - 1, min(rows, _COMPARED if thorough else _COMPARED_LATER)).astype(np.int64)
    if thorough:
        chosen = np.concatenate([chosen, np.argsort(np.where(sizes > _LONG, 0, sizes))[-_COMPARED:]])
    chosen = np.unique(chosen[sizes[chosen] <= _LONG])
    if not len(chosen):
        return True
    expected = reading.by_tokenizer(*(part.take(pa.array(chosen)).to_pylist() for part in parts))
    starts, lengths = found.bounds[chosen], found.lengths[chosen]
    if not np.array_equal(expected.lengths, lengths) or not np.array_equal(
        expected.ids, gathered(found.ids, starts, lengths)
    ):
        return False
    if expected.segments is None or found.segments is None:
        return expected.segments is found.segments
    return np.array_equal(expected.segments, gathered(found.segments, starts, lengths))


@dataclass(frozen=True)
class _Alone:
    """One text a row."""

    tokenizer: AsksTokenizer
    max_length: int

    def words(self) -> WordIds | None:
        words = WordIds.of(getattr(self.tokenizer, "backend_tokenizer", None))
        special = None if words is None else _around(self.tokenizer(["a"])["input_ids"][0], words)
        return None if special is None or special.size >= self.max_length else words

    def by_tokenizer(self, *columns: list[str]) -> TokenIds:
        (texts,) = columns
        ids = _ids(self.tokenizer, texts)
        long = [place for place, row in enumerate(ids) if len(row) > self.max_length]
        if long:
            # Which end is cut, and that special tokens stay, is the tokenizer's to know.
            cut = _ids(self.tokenizer, [texts[place] for place in long], self.max_length)
            for place, row in zip(long, cut, strict=True):
                ids[place] = row
        return TokenIds(flat(ids), np.fromiter(map(len, ids), np.int64, len(ids)), len(long))

    def by_words(self, words: WordIds, *columns: pa.StringArray) -> TokenIds:
        ids, bounds = words.encode(columns[0])
        special = _around(self.tokenizer(["a"])["input_ids"][0], words)
        assert special is not None, "there are words only where it is known what stands around them"
        before, after = (np.asarray(part, np.int32) for part in (special.before, special.after))
        counts = np.diff(bounds)
        kept = np.minimum(counts, self.max_length - len(before) - len(after))
        starts = bounds[:-1] if truncates_right(self.tokenizer) else bounds[1:] - kept
        made, lengths = assembled([before, (ids, starts, kept), after])
        return TokenIds(made, lengths, int((kept < counts).sum()))


def truncates_right(tokenizer: AsksTokenizer) -> bool:
    """Whether a tokenizer cuts off the end of a text that is too long, not its beginning."""
    return getattr(tokenizer, "truncation_side", "right") == "right"


Stretches = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]


def assembled(parts: Sequence[NDArray[np.int32] | Stretches]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Rows put together of parts: ids that are the same in each, or (ids, starts [rows], lengths [rows]).

    Returns the ids, one row after the other, and how many each row has.
    """
    rows = next(len(part[1]) for part in parts if isinstance(part, tuple))
    values: list[NDArray[np.int32]] = []
    starts, lengths, at = np.empty((rows, len(parts)), np.int64), np.empty((rows, len(parts)), np.int64), 0
    for place, part in enumerate(parts):
        ids, first, size = part if isinstance(part, tuple) else (part, np.int64(0), np.int64(len(part)))
        starts[:, place], lengths[:, place] = at + first, size
        values.append(ids)
        at += len(ids)
    made = gathered(np.concatenate(values), starts.ravel(), lengths.ravel())
    return made.astype(np.int32, copy=False), lengths.sum(axis=1)


def _ids(tokenizer: AsksTokenizer, texts: list[str], max_length: int | None = None) -> list[list[int]]:
    limits: dict[str, object] = {"truncation": True, "max_length": max_length} if max_length else {"truncation": False}
    encoded = tokenizer(
        texts, return_attention_mask=False, return_token_type_ids=False, verbose=False, padding=False, **limits
    )
    found: list[list[int]] = encoded["input_ids"]
    return found


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens a tokenizer puts around a text."""

    before: list[int]
    after: list[int]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> SpecialTokens:
        plain = tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = tokenizer("a")["input_ids"]
        start = next(at for at in range(len(whole)) if whole[at : at + len(plain)] == plain)
        return cls(whole[:start], whole[start + len(plain) :])

    @property
    def size(self) -> int:
        return len(self.before) + len(self.after)

    def put_on(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Have a fast tokenizer put these around a text, and so whoever loads it from its tokenizer.json."""
        from tokenizers import processors

        inner = getattr(tokenizer, "backend_tokenizer", None)
        there = SpecialTokens.of(tokenizer)
        if inner is None or there == self:
            return
        names = dict(
            zip(self.before + self.after, tokenizer.convert_ids_to_tokens(self.before + self.after), strict=True)
        )
        before, after = ([names[token] for token in tokens] for tokens in (self.before, self.after))
        marks = [(name, token) for token, name in names.items()]
        single, pair = [*before, "$A", *after], [*before, "$A", *after, "$B", *after]
        made = processors.TemplateProcessing(single=single, pair=pair, special_tokens=marks)
        # What puts nothing around a text may still see to its offsets.
        kept = [] if there.size or inner.post_processor is None else [inner.post_processor]
        inner.post_processor = processors.Sequence([*kept, made])


def _around(whole: list[int], words: WordIds) -> SpecialTokens | None:
    """What stands around the word "a" in `whole`, the ids of a text of that word."""
    plain, _ = words.encode(pa.array(["a"]))
    for start in range(len(whole) - len(plain) + 1):
        if len(plain) and whole[start : start + len(plain)] == plain.tolist():
            return SpecialTokens(whole[:start], whole[start + len(plain) :])
    return None
