"""Token ids of many texts, each distinct word of them tokenized once.

Most tokenizers cut a text at its spaces before anything else, so that the ids of a text are those of its words in a
row. Natural texts repeat their words (Zipf's law), and looking one up costs a hundredth of tokenizing it again.
Whether a tokenizer is of that kind is told from its parts; whoever relies on it compares some rows besides.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = NDArray[np.int32]
Places = NDArray[np.int64]

_ROWS: Final = 8192  # of one piece, and its bytes: what is worked on at once takes some tens of megabytes
_BYTES: Final = 2 << 20
_KNOWN: Final = 250_000  # words that are remembered: about 50 MB
_SPACE: Final = 0x20
_PARALLEL: Final = "TOKENIZERS_PARALLELISM"

# What they do to a character depends on its neighbours within the word at most.
_LOCAL_NORMALIZERS: Final = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}
_AT_SPACES: Final = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_WITHIN_WORDS: Final = {*_AT_SPACES, "Punctuation", "Digits"}
# GPT-2's own pattern is ByteLevel's; these are those of Llama 3 and of Qwen 2. In all three a match that does not
# begin at a space can never go past one that a word follows.
_WORD_PATTERNS: Final = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
}


class WordIds:
    """The words of a tokenizer's texts and their ids, filled as texts come."""

    def __init__(self, tokenizer: Tokenizer, follows: NDArray[np.bool_]) -> None:
        """`follows` [256]: the bytes after a space that begin a word. Use `of`."""
        self._tokenizer, self._follows = tokenizer, follows
        self._forget()

    @classmethod
    def of(cls, tokenizer: Any) -> WordIds | None:
        """For a `tokenizers.Tokenizer`; None where the ids of a text are not those of its words in a row."""
        from tokenizers import Tokenizer

        if not isinstance(tokenizer, Tokenizer):
            return None
        follows = _begins_word(tokenizer)
        if follows is None:
            return None
        copy = Tokenizer.from_str(tokenizer.to_str())
        copy.no_truncation()
        copy.no_padding()
        copy.encode_special_tokens = tokenizer.encode_special_tokens
        # A prefix space may make a token of nothing.
        return None if copy.encode("", add_special_tokens=False).ids else cls(copy, follows)

    def _forget(self) -> None:
        self._known: dict[str, int] = {}
        self._ids: Ids = np.zeros(0, np.int32)
        self._bounds: Places = np.zeros(1, np.int64)

    def _keep(self, words: list[str]) -> None:
        """Forget all but these, those of the piece at hand: most words come once in a corpus, and these come again."""
        there = [word for word in words if word in self._known]
        places = np.fromiter(map(self._known.__getitem__, there), np.int64, len(there))
        starts, lengths = self._bounds[places], np.diff(self._bounds)[places]
        self._ids = gathered(self._ids, starts, lengths)
        self._bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        self._known = dict(zip(there, range(len(there)), strict=True))

    def encode(self, texts: pa.StringArray) -> tuple[Ids, Places]:
        """The ids of the texts, no special tokens added, and where those of each begin and end [texts + 1]."""
        words, counts = self._words(texts)
        encoded = words.dictionary_encode()
        places = self._places(encoded.dictionary.to_pylist())[np.asarray(encoded.indices)]
        starts, lengths = self._bounds[places], np.diff(self._bounds)[places]
        until = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        return gathered(self._ids, starts, lengths), until[np.concatenate([[0], np.cumsum(counts)])]

    def _words(self, texts: pa.StringArray) -> tuple[pa.StringArray, Places]:
        """Every word with the space before it, and how many each text has."""
        offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[first:last]
        offsets = (offsets - first).astype(np.int64)
        begins = np.zeros(len(data) + 1, bool)
        begins[:-2] = (data[:-1] == _SPACE) & self._follows[data[1:]] if len(data) > 1 else False
        begins[np.maximum(offsets - 1, 0)] = False  # what follows the last byte of a text is not of it
        begins[offsets] = True
        begins[-1] = False
        starts = np.flatnonzero(begins)
        bounds = np.append(starts, len(data)).astype(np.int32)
        words = pa.StringArray.from_buffers(len(starts), pa.py_buffer(bounds), pa.py_buffer(data))
        return words, np.diff(np.searchsorted(starts, offsets))

    def _places(self, words: list[str]) -> Places:
        if len(self._known) > _KNOWN:
            self._keep(words)
        new = [word for word in words if word not in self._known]
        if new:
            self._learn(new)
        return np.fromiter(map(self._known.__getitem__, words), np.int64, len(words))

    def _learn(self, words: list[str]) -> None:
        with on_all_cores():
            rows = [row.ids for row in self._tokenizer.encode_batch_fast(words, add_special_tokens=False)]
        self._known.update(zip(words, range(len(self._known), len(self._known) + len(words)), strict=True))
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        self._ids = np.concatenate([self._ids, flat(rows)])
        self._bounds = np.concatenate([self._bounds, self._bounds[-1] + np.cumsum(lengths)])


def flat(rows: Sequence[Sequence[int]]) -> Ids:
    """Rows of ids, one after the other."""
    return np.fromiter(itertools.chain.from_iterable(rows), np.int32)


@contextlib.contextmanager
def on_all_cores() -> Iterator[None]:
    """The tokenizers library may use every core meanwhile. Afterwards it is as before: processes that are forked then
    (workers of a data loader) have none of its threads, and must not wait for them. Of threads beside the main one
    nothing is changed: the setting is the process's.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = os.environ.get(_PARALLEL)
    os.environ[_PARALLEL] = "true"
    try:
        yield
    finally:
        os.environ[_PARALLEL] = "false" if before is None else before


def gathered(values: NDArray[Any], starts: Places, lengths: Places) -> NDArray[Any]:
    """Several stretches of `values`, one after the other."""
    ends = np.cumsum(lengths)
    shift = np.repeat(starts - (ends - lengths), lengths)
    found: NDArray[Any] = values[shift + np.arange(len(shift))]
    return found


def pieces(*columns: pa.ChunkedArray | pa.Array) -> Iterator[list[pa.StringArray]]:
    """Columns of texts, all of one length, some thousands of rows at a time. Nulls stay."""
    start = 0
    while start < len(columns[0]):
        size = _ROWS
        parts = [column.slice(start, size) for column in columns]
        while size > 1 and sum(part.nbytes for part in parts) > _BYTES:
            size //= 2
            parts = [column.slice(start, size) for column in columns]
        yield [_plain(part) for part in parts]
        start += size


def _plain(texts: pa.ChunkedArray | pa.Array) -> pa.StringArray:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks() if texts.num_chunks != 1 else texts.chunk(0)
    if isinstance(texts, pa.ChunkedArray):  # of a type whose chunks do not become one
        texts = pa.concat_arrays(texts.chunks)
    return texts if pa.types.is_string(texts.type) else texts.cast(pa.string())


def _begins_word(tokenizer: Tokenizer) -> NDArray[np.bool_] | None:
    """Which bytes after a space begin a word that the tokenizer reads by itself; None where that may not be so."""
    if type(tokenizer.model).__name__ not in {"WordPiece", "BPE", "WordLevel"}:
        return None
    if getattr(tokenizer.model, "dropout", None):
        return None
    normalizers = _parts(tokenizer.normalizer, "normalizers")
    if any(part["type"] not in _LOCAL_NORMALIZERS for part in normalizers):
        return None
    follows = _follows(_parts(tokenizer.pre_tokenizer, "pretokenizers"))
    if follows is None:
        return None
    for token in tokenizer.get_added_tokens_decoder().values():
        if token.rstrip or " " in token.content:
            return None
        if token.lstrip:  # takes all spaces before it
            follows[token.content.encode()[0]] = False
    return follows


def _follows(cutters: list[dict[str, Any]]) -> NDArray[np.bool_] | None:
    kinds = [part["type"] for part in cutters]
    if kinds and kinds[0] in _AT_SPACES and set(kinds) <= _WITHIN_WORDS:
        return np.ones(256, bool)
    by_itself = kinds == ["ByteLevel"] and cutters[0].get("use_regex", True)
    by_pattern = (
        kinds == ["Split", "ByteLevel"]
        and not cutters[1].get("use_regex", True)
        and not cutters[1].get("add_prefix_space", False)
        and cutters[0]["behavior"] == "Isolated"
        and not cutters[0]["invert"]
        and cutters[0]["pattern"].get("Regex") in _WORD_PATTERNS
    )
    return _no_spaces() if by_itself or by_pattern else None


def _no_spaces() -> NDArray[np.bool_]:
    """First bytes of characters that are no white space: ASCII beyond the space, and scripts without spaces of their
    own. U+0085 and U+00A0 begin with C2, U+1680 with E1, U+2000 to U+205F with E2, U+3000 with E3.
    """
    found = np.zeros(256, bool)
    found[0x21:0x7F] = True
    found[0xC3:0xE1] = True
    found[0xE4:0xF5] = True
    return found


def _parts(part: Any, inner: str) -> list[dict[str, Any]]:
    """What a normalizer or pre-tokenizer is made of, as its JSON describes it."""
    if part is None:
        return []
    described: dict[str, Any] = json.loads(part.__getstate__())
    return list(_leaves(described, inner))


def _leaves(described: dict[str, Any], inner: str) -> Iterator[dict[str, Any]]:
    if described["type"] != "Sequence":
        yield described
        return
    for part in described[inner]:
        yield from _leaves(part, inner)
