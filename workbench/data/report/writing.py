"""How the words of a data set stand in running text, so that a text is parted as they were, and joined again.

Chinese and Japanese are not parted by spaces: there a word of the data is mostly a single character.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

Split = Literal["words", "spaces", "characters"]
Range = tuple[int, int]

_SAMPLE: Final = 200_000
_MOSTLY: Final = 0.3  # of words hold a character of these scripts where the text is written in one
_SINGLE: Final = 0.9  # and so many of them are a single one
_JOINERS: Final = frozenset("-'’.&_·")  # within a word: d'Agoult, R.H., well-known
# Han, kana, and the width forms of kana: what BERT's tokenizer calls Chinese characters, and Japanese besides.
_UNSPACED: Final = (
    (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9D),
    (0x20000, 0x323AF), (0x3005, 0x3007),
)  # fmt: skip


@dataclass(frozen=True)
class Writing:
    """`split`: at every character, at spaces alone, or at spaces, punctuation and every Chinese character.

    `spaced`: whether words stand apart in the text.
    """

    split: Split = "words"
    spaced: bool = True

    @classmethod
    def of(cls, words: pa.ChunkedArray) -> Writing:
        """How the words of train, a flat column of strings, were parted."""
        sample = words.slice(0, _SAMPLE)
        unspaced = pc.match_substring_regex(sample, r"[\p{Han}\p{Hiragana}\p{Katakana}]")
        held = sample.filter(unspaced)
        single = _count(pc.less_equal(pc.utf8_length(held), 1))
        if len(held) < _MOSTLY * len(sample) or single < _SINGLE * len(held):
            attached = _matching(sample, r"[\pL\pN][,;!?]$")
            return cls("spaces" if attached > _matching(sample, r"^[,;!?]$") else "words", _is_spaced(held, sample))
        whole, letters = _matching(sample, r"^[A-Za-z0-9]{2,}$"), _matching(sample, r"^[A-Za-z0-9]$")
        return cls("characters" if letters > whole else "words", spaced=False)

    def parted(self, text: str) -> list[Range]:
        """Where the words of a text stand, in its code points; white space is no part of any."""
        if self.split == "characters":
            return [(at, at + 1) for at, character in enumerate(text) if not character.isspace()]
        return list(_runs(text, alone=self.split == "words"))

    def joined(self, words: Sequence[str]) -> tuple[str, list[Range]]:
        """The words as a text, and where each stands in it."""
        ranges, parts, at = list[Range](), list[str](), 0
        for word in words:
            between = " " if parts and self._apart(parts[-1], word) else ""
            at += len(between)
            ranges.append((at, at + len(word)))
            parts += [between, word] if between else [word]
            at += len(word)
        return "".join(parts), ranges

    def _apart(self, before: str, word: str) -> bool:
        if self.spaced:
            return True
        latin = (before[-1:] + word[:1]).isascii() and before[-1:].isalnum() and word[:1].isalnum()
        return latin and self.split != "characters"


def _is_spaced(held: pa.ChunkedArray, sample: pa.ChunkedArray) -> bool:
    return len(held) < _MOSTLY * len(sample)


def _matching(words: pa.ChunkedArray, pattern: str) -> int:
    return _count(pc.match_substring_regex(words, pattern))


def _count(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _runs(text: str, *, alone: bool) -> Iterator[Range]:
    """Words parted at spaces; with `alone`, punctuation and Chinese characters each stand for themselves.

    Marks and format characters (accents, variation selectors, joiners) belong to what they follow.
    """
    start, run = -1, False  # where the word under way begins, and whether letters go on with it
    for at, character in enumerate(text):
        kind = "letter" if not alone and not character.isspace() else _kind(text, at)
        if kind == "space":
            if start >= 0:
                yield start, at
            start, run = -1, False
        elif (kind == "mark" and start >= 0) or (kind == "letter" and run):
            continue
        else:
            if start >= 0:
                yield start, at
            start, run = at, kind == "letter"
    if start >= 0:
        yield start, len(text)


def _kind(text: str, at: int) -> Literal["space", "mark", "letter", "other"]:
    character = text[at]
    if character.isspace():
        return "space"
    if character in _JOINERS:
        within = 0 < at < len(text) - 1 and _is_letter(text[at - 1]) and _is_letter(text[at + 1])
        return "letter" if within else "other"
    if unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf"):
        return "mark"
    return "letter" if _is_letter(character) else "other"


def _is_letter(character: str) -> bool:
    """Whether a run of such characters is one word: letters and digits of scripts that put spaces between words."""
    category = unicodedata.category(character)
    if category[0] not in "LNM":
        return False
    code = ord(character)
    return not any(first <= code <= last for first, last in _UNSPACED)
