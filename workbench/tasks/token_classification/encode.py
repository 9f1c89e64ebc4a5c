"""From rows of words to windows of tokens that know their words: the same for training, evaluation and use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import BadInput, ModelError
from workbench.data.cache.token_entry import Arrays, joined
from workbench.tasks.shared.encoding import SpecialTokens
from workbench.tasks.shared.kept_tokens import bounded, together
from workbench.tasks.token_classification.windows import cut

if TYPE_CHECKING:
    import pyarrow as pa
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

PADDED: Final = "right"  # every token stands at the place it has in its window, whatever stands beside it

_AT_ONCE: Final = 1000
_NONE: Final = -1


@dataclass(frozen=True)
class WordWindows:
    """Windows of rows of words.

    `ids` int32 [tokens], special ones included; those of window i are `ids[bounds[i]:bounds[i + 1]]`. `words` int32
    [tokens] is the word in its row of each token that its window answers for, -1 of all others. `row` [windows] is the
    row a window is of. `shortened` are rows with a word too long for any window, of which only the beginning is seen.
    """

    ids: NDArray[np.int32]
    bounds: NDArray[np.int64]
    words: NDArray[np.int32]
    row: NDArray[np.int32]
    shortened: int

    @classmethod
    def of(cls, found: Arrays) -> WordWindows:
        """What `Cutter.arrays` makes, joined."""
        return cls(found["ids"], found["bounds"], found["words"], found["row"], int(found["shortened"].sum()))

    @property
    def firsts(self) -> NDArray[np.bool_]:
        """Whether a token is the first of a word its window answers for, [tokens of all windows]."""
        before = np.roll(self.words, 1)
        before[self.bounds[:-1]] = _NONE
        first: NDArray[np.bool_] = (self.words != _NONE) & (self.words != before)
        return first


@dataclass(frozen=True)
class Cutter:
    """`max_length` counts special tokens; `stride` are the tokens that windows share."""

    tokenizer: PreTrainedTokenizerBase
    max_length: int
    stride: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int | None) -> Cutter:
        """Raises BadInput where no window has room for a word, or for more than what it shares."""
        least = SpecialTokens.of(tokenizer).size + 2
        if max_length < least:
            raise BadInput(f"a window needs {least} tokens or more", where="data.max_length")
        room = max_length - least + 2
        if stride is not None and stride >= room:
            raise BadInput(
                f"windows of {room} tokens cannot share {stride}",
                where="data.stride",
                hint=f"use less, such as {max_length // 4}",
            )
        return cls(tokenizer, max_length, min(max_length // 4, room - 1) if stride is None else stride)

    def settings(self) -> dict[str, object]:
        """What windows depend on, beside the tokenizer's own file."""
        return {"max_length": self.max_length, "stride": self.stride, **asdict(SpecialTokens.of(self.tokenizer))}

    def cut(self, rows: Sequence[list[str]] | pa.ChunkedArray) -> WordWindows:
        """The rows, a list or an Arrow column of lists of words, as windows. A row may have none."""
        return WordWindows.of(joined(self.arrays(rows)))

    def arrays(self, rows: Sequence[list[str]] | pa.ChunkedArray) -> Iterator[Arrays]:
        """The windows of some rows at a time, as `WordWindows` names them."""
        special = SpecialTokens.of(self.tokenizer)
        none = np.zeros(0, np.int32)
        nothing = {"ids": none, "words": none, "lengths": none, "row": none, "shortened": none}
        each = (self._windows(special, row, *found) for row, found in enumerate(self._encoded(rows)))
        return bounded(together(each, nothing))

    def _windows(self, special: SpecialTokens, row: int, ids: NDArray[np.int32], numbers: NDArray[np.int64]) -> Arrays:
        """Those of one row."""
        room = self.max_length - special.size
        before, after = (np.asarray(part, np.int32) for part in (special.before, special.after))
        edges = [np.full(len(part), _NONE, np.int32) for part in (before, after)]
        kept = _within(numbers, room)
        ids, numbers = ids[kept], numbers[kept].astype(np.int32)
        windows = cut(numbers, room, self.stride)
        made, words = [before[:0]], [edges[0][:0]]
        for window in windows:
            seen = slice(window.start, window.stop)
            places = np.arange(window.start, window.stop)
            owned = (places >= window.first) & (places < window.last)
            made += [before, ids[seen], after]
            words += [edges[0], np.where(owned, numbers[seen], np.int32(_NONE)), edges[1]]
        return {
            "ids": np.concatenate(made),
            "words": np.concatenate(words),
            "lengths": np.array([special.size + window.stop - window.start for window in windows], np.int32),
            "row": np.full(len(windows), row, np.int32),
            "shortened": np.array([not kept.all()], np.int32),
        }

    def _encoded(
        self, rows: Sequence[list[str]] | pa.ChunkedArray
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
        """Tokens of each row without special ones, and the number of each token's word."""
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            chunk: list[list[str]] = list(part) if isinstance(part, Sequence) else part.to_pylist()
            # A tokenizer refuses a row without words; a word of no characters makes no token.
            encoded = self.tokenizer(
                [row or [""] for row in chunk],
                is_split_into_words=True,
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
            for place in range(len(chunk)):
                found = encoded.encodings[place]
                yield np.asarray(found.ids, np.int32), np.asarray(found.word_ids, np.int64)


def _within(words: NDArray[np.int64], room: int) -> NDArray[np.bool_]:
    """Which tokens are among the first `room` of their word."""
    if len(words) <= room:
        return np.ones(len(words), bool)
    starts = np.flatnonzero(np.diff(words, prepend=words[0] - 1))
    of = np.repeat(starts, np.diff(np.append(starts, len(words))))
    within: NDArray[np.bool_] = np.arange(len(words)) - of < room
    return within


def for_words(tokenizer: PreTrainedTokenizerBase, *, spaced: bool) -> PreTrainedTokenizerBase:
    """The tokenizer, set to read words: as after a space where the text has spaces, else as they stand.

    GPT-2's and RoBERTa's byte-level ones, and those of SentencePiece, know a word by the space before it; Chinese
    characters have none, and one put there would cost a token each. Raises ModelError for a slow tokenizer.
    """
    if not tokenizer.is_fast:
        raise ModelError(
            "token-classification needs a fast tokenizer, which knows the word of each token",
            where="model.tokenizer",
            hint="use one that has a tokenizer.json",
        )
    _set(tokenizer.backend_tokenizer, spaced=spaced)
    # What the tokenizer's own class builds its parts from when it is loaded again.
    for name in {"add_prefix_space"} & (tokenizer.init_kwargs.keys() | vars(tokenizer).keys()):
        tokenizer.init_kwargs[name] = spaced
        setattr(tokenizer, name, spaced)
    return tokenizer


def _set(inner: Tokenizer, *, spaced: bool) -> None:
    """Say at each part that splits into words whether a space goes before."""
    copy = spaced_copy(inner, spaced=spaced)
    if copy is not None:
        inner.pre_tokenizer = copy.pre_tokenizer


def spaced_copy(inner: Tokenizer, *, spaced: bool) -> Tokenizer | None:
    """A copy of a `tokenizers.Tokenizer` that reads words as after a space, or not; None where that means nothing."""
    from tokenizers import Tokenizer

    whole = json.loads(inner.to_str())
    return Tokenizer.from_str(json.dumps(whole)) if _spaced(whole["pre_tokenizer"], spaced) else None


def _spaced(part: object, spaced: bool) -> bool:
    """Change it in a pre-tokenizer's description; whether there was anything to change."""
    if not isinstance(part, dict):
        return False
    if part["type"] == "Sequence":
        return bool(sum(_spaced(inner, spaced) for inner in part["pretokenizers"]))
    if part["type"] == "ByteLevel":
        part["add_prefix_space"] = spaced
    elif part["type"] == "Metaspace":
        part["prepend_scheme"] = "always" if spaced else "never"
    return part["type"] in ("ByteLevel", "Metaspace")
