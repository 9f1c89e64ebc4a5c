"""How the lines of a CoNLL file are parted into columns, and which column is what: told from the lines themselves."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

_UNIVERSAL: Final = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_UNIVERSAL_ID = re.compile(r"\d+(?:[-.]\d+)?")
_TAG = re.compile(r"O|[BIOESLMUW][-_].+")
_NEARLY_ALL: Final = 0.8
_SAMPLE = 20_000  # lines by which the form of a file is told

Fields = list[str]
Split = Callable[[str], Fields]


def lines(text: str) -> list[str]:
    """The lines of a text, without their ends."""
    # Only these end a line: `splitlines` would also part at characters that are tokens of Chinese text.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _is_apart(line: str) -> bool:
    """Whether a line is blank, a marker, or may be a comment: of no use to tell what the columns are."""
    return not line.strip() or line.startswith(("#", "-DOCSTART-"))


def tabs(line: str) -> Fields:
    """Parted at each tab, so that a token may hold blanks."""
    return [field.strip(" ") for field in line.rstrip(" \t").split("\t")]


def blanks(line: str) -> Fields:
    """Parted at spaces and tabs. A line that begins with one has lost its token, if it is short of a column."""
    return [field for field in line.replace("\t", " ").split(" ") if field]


@dataclass(frozen=True)
class Form:
    """How the lines of a file are parted, into how many columns, and which tags there are.

    `numbered`: the first column counts the tokens of a sentence from 1, and the tokens are in the second.
    """

    split: Split
    width: int
    universal: bool
    numbered: bool
    tags: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names: `tokens`, `tags` and what else there is."""
        if self.universal:
            return tuple({"form": "tokens", "upos": "tags"}.get(name, name) for name in _UNIVERSAL)
        names = [f"column_{number}" for number in range(1, self.width + 1)]
        names[1 if self.numbered else 0], names[-1] = "tokens", "tags"
        return tuple(names)


def form_of(lines: Sequence[str]) -> Form | None:
    """Told from the first lines; None where none of them is a token.

    Tabs part the columns where every line has the same number of them, else blanks; where neither agrees, what most
    lines have.
    """
    plain = list(itertools.islice((line for line in lines if not _is_apart(line)), _SAMPLE))
    if not plain:
        return None
    split = _split_of(plain)
    counted = _widths(plain, split)
    width = max(counted, key=lambda width: counted[width])
    rows = [row for row in map(split, plain) if len(row) == width]
    universal = _is_universal(rows)
    numbered = not universal and width > 2 and _is_numbered(rows)
    return Form(split, width, universal, numbered, frozenset(row[-1] for row in rows))


def _split_of(plain: Sequence[str]) -> Split:
    tabbed = _widths(plain, tabs)
    if len(tabbed) == 1 and 1 not in tabbed:
        return tabs
    # A line that begins with a blank may have lost its token.
    whole = [line for line in plain if line[0] not in " \t"]
    if len(_widths(plain, blanks)) == 1 or len(_widths(whole, blanks)) == 1:
        return blanks
    return tabs if sum("\t" in line for line in plain) > len(plain) / 2 else blanks


def looks_like(text: str) -> bool:
    """Whether whole lines are plainly CoNLL: columns of equal number, of which the last holds tags."""
    rows = [line for line in lines(text) if not _is_apart(line)]
    for split in (tabs, blanks):
        fields = [split(line) for line in rows]
        widths = {len(row) for row in fields}
        if len(fields) > 1 and len(widths) == 1 and 1 not in widths:
            return _is_universal(fields) or all(is_tag(row[-1]) for row in fields)
    return False


def resembles(lines: Sequence[str]) -> bool:
    """Whether lines are likely CoNLL, though some lack a column: nearly all end with a tag, and some with an entity."""
    rows = [blanks(line) for line in lines if not _is_apart(line)]
    tagged = [row[-1] for row in rows if len(row) > 1 and is_tag(row[-1])]
    return bool(rows) and len(tagged) >= _NEARLY_ALL * len(rows) and any(tag != "O" for tag in tagged)


def is_tag(text: str) -> bool:
    """Whether it is spelt as BIO and IOBES spell tags."""
    return _TAG.fullmatch(text) is not None


def _widths(plain: Sequence[str], split: Split) -> Counter[int]:
    return Counter(len(split(line)) for line in plain)


def _is_universal(rows: Sequence[Fields]) -> bool:
    return all(len(row) == len(_UNIVERSAL) and _UNIVERSAL_ID.fullmatch(row[0]) for row in rows)


def _is_numbered(rows: Sequence[Fields]) -> bool:
    places = [int(row[0]) if row[0].isdecimal() else -1 for row in rows]
    follows = all(place in (1, before + 1) for before, place in zip([0, *places], places, strict=False))
    return follows and max(places) > 1
