"""Tags of words: how they spell entities, the classes they make, and the faults in them.

A tag is a prefix and a type (`B-PER`, `M_LOC`), or `O` for a word outside of every entity. Schemes:

- `bio`: every entity begins with B and goes on with I (IOB2; Tjong Kim Sang and Veenstra 1999);
- `iob1`: it begins with I, and with B only where it follows one of its own type (Ramshaw and Marcus 1995);
- `iobes`: it ends with E, and S is a whole one; BILOU, BMES and BMEWO say the same in other letters;
- `plain`: tags are just classes, such as parts of speech.

How entities are read is said in `workbench.metrics.entities`: leniently, but of `iobes` only whole ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.entities import OUTSIDE, UNTYPED, Scheme, Span

_SPELLING: Final = re.compile(r"([BIESLMUW])(?:([-_])(.+))?", re.DOTALL)
_PLAIN_LETTER: Final = {"L": "E", "M": "I", "U": "S", "W": "S"}
_LETTERS: Final[dict[str, str]] = {"bio": "BI", "iob1": "BI", "iobes": "BIES"}
_ALMOST_ALL: Final = 0.9
_GOING_ON: Final = (ord("I"), ord("E"))
_OPEN: Final = (ord("B"), ord("I"))


@dataclass(frozen=True)
class Spelling:
    """A tag taken apart: `prefix` as it is written, `type`, and what stands between them."""

    prefix: str
    type: str
    between: str

    @classmethod
    def of(cls, tag: str) -> Spelling | None:
        """None for a tag that is no prefix, or no prefix and type."""
        found = _SPELLING.fullmatch(tag)
        return None if found is None else cls(found[1], found[3] or UNTYPED, found[2] or "")

    @property
    def letter(self) -> str:
        """B, I, E or S, whatever the letters of the file."""
        return _PLAIN_LETTER.get(self.prefix, self.prefix)

    @property
    def canonical(self) -> str:
        """The tag as IOBES writes it."""
        return f"{self.letter}-{self.type}"


@dataclass(frozen=True)
class Tagset:
    """The classes of tags: `names` in the order of their ids, and the scheme they are of."""

    names: list[str]
    scheme: Scheme

    @cached_property
    def spellings(self) -> list[Spelling | None]:
        """Of each name; None for what spells no entity in this scheme, and for every plain tag."""
        spelt = self.scheme != "plain"
        return [Spelling.of(name) if spelt and in_scheme(name, self.scheme) else None for name in self.names]

    @cached_property
    def canonical(self) -> list[str]:
        """Each name as `metrics.entities` reads it: `O` for one that spells no entity; plain tags as they are."""
        if self.scheme == "plain":
            return list(self.names)
        return [OUTSIDE if found is None else found.canonical for found in self.spellings]

    @property
    def spells_entities(self) -> bool:
        """Whether there are entities: plain tags make some where words may be outside of them, as in `O PER PER O`."""
        return self.scheme != "plain" or OUTSIDE in self.names

    @cached_property
    def types(self) -> list[str]:
        """The types of entities, by the alphabet; the tags themselves of plain ones."""
        if self.scheme == "plain":
            return [name for name in self.names if name != OUTSIDE]
        return sorted({found.type for found in self.spellings if found is not None})

    @cached_property
    def continued(self) -> NDArray[np.int64]:
        """The id that further pieces of a word of each tag carry: I- where it began, E- where it was whole.

        The tag itself where there is no such class.
        """
        ids = {tag: place for place, tag in reversed(list(enumerate(self.canonical)))}
        return np.array([ids.get(_further(found), at) for at, found in enumerate(self.spellings)], np.int64)


def _further(found: Spelling | None) -> str:
    return "" if found is None else f"{ {'B': 'I', 'S': 'E'}.get(found.letter, found.letter) }-{found.type}"


def in_scheme(tag: str, scheme: Scheme) -> bool:
    """Whether a tag may occur in a scheme."""
    if scheme == "plain" or tag == OUTSIDE:
        return True
    found = Spelling.of(tag)
    return found is not None and found.letter in _LETTERS[scheme]


def scheme_of(tags: Sequence[str], ids: NDArray[np.int64], offsets: NDArray[np.int64]) -> Scheme:
    """The scheme that tags show. `ids` [words] are places in `tags`, `offsets` [rows + 1] where each row begins.

    A few tags that are spelt as no entity do not make a file plain; they are faults in it.
    """
    spellings = [Spelling.of(tag) for tag in tags]
    typed = any(found is not None and found.between for found in spellings)
    entity = [found is not None and bool(found.between or not typed) for found in spellings]
    counts = np.bincount(ids, minlength=len(tags))
    inside = [count for tag, count in zip(tags, counts, strict=True) if tag != OUTSIDE]
    spelt = sum(count for count, is_entity in zip(counts, entity, strict=True) if is_entity)
    begun = any(found is not None and found.letter in "BI" for found in spellings)
    if not spelt or not begun or spelt < _ALMOST_ALL * sum(inside):
        return "plain"
    letters = {found.letter for found, is_entity in zip(spellings, entity, strict=True) if found and is_entity}
    if letters & {"E", "S"}:
        return "iobes"
    flow = Flow.of(Tagset(list(tags), "bio"), ids, offsets)
    by_b = int((flow.opens & (flow.letter == ord("B"))).sum())
    by_i = int((flow.opens & (flow.letter == ord("I"))).sum())
    return "iob1" if by_i > by_b else "bio"


@dataclass(frozen=True)
class Flow:
    """The tags of all words in a row, each beside the one before it. All are [words].

    `letter` is the code of B, I, E or S, 0 outside; `type` the place in the types, -1 outside. `opens`: nothing of its
    type stands before the word; `joined`: the word goes on with the entity before it.
    """

    letter: NDArray[np.int64]
    type: NDArray[np.int64]
    opens: NDArray[np.bool_]
    joined: NDArray[np.bool_]

    @classmethod
    def of(cls, tagset: Tagset, ids: NDArray[np.int64], offsets: NDArray[np.int64]) -> Flow:
        places = {name: at for at, name in enumerate(tagset.types)}
        letters = np.array([0 if found is None else ord(found.letter) for found in tagset.spellings])
        types = np.array([-1 if found is None else places[found.type] for found in tagset.spellings])
        letter, kind = letters[ids], types[ids]
        before, last = np.roll(kind, 1), np.roll(letter, 1)
        starts = offsets[:-1][offsets[:-1] < len(ids)]
        before[starts], last[starts] = -1, 0
        same = (kind >= 0) & (before == kind)
        joined = same & np.isin(letter, _GOING_ON) & np.isin(last, _OPEN)
        return cls(letter, kind, (kind >= 0) & ~same, joined)

    @property
    def begins(self) -> NDArray[np.bool_]:
        """Whether a word is the first of an entity, however it is spelt."""
        return (self.type >= 0) & ~self.joined

    @property
    def wholes(self) -> NDArray[np.bool_]:
        """Whether a word is the last of an entity that has both its beginning and its end, as IOBES spells them."""
        heads = np.maximum.accumulate(np.where(self.joined, 0, np.arange(len(self.joined))))
        ended = (self.letter == ord("E")) & (self.letter[heads] == ord("B"))
        whole: NDArray[np.bool_] = ended | (self.letter == ord("S"))
        return whole


def entities(tagset: Tagset, ids: NDArray[np.int64], offsets: NDArray[np.int64]) -> dict[str, int]:
    """How many entities of each type there are; nothing for plain tags."""
    if tagset.scheme == "plain":
        return {}
    flow = Flow.of(tagset, ids, offsets)
    counted = np.bincount(flow.type[flow.wholes if tagset.scheme == "iobes" else flow.begins], minlength=1)
    return dict(zip(tagset.types, [*counted.tolist(), *[0] * len(tagset.types)], strict=False))


def faults_in(tagset: Tagset, ids: NDArray[np.int64], offsets: NDArray[np.int64]) -> list[str]:
    """What of the tags breaks their scheme, and how it is read: sentences without a full stop."""
    if tagset.scheme not in ("bio", "iobes"):
        return []
    flow = Flow.of(tagset, ids, offsets)
    if tagset.scheme == "iobes":
        broken = int(flow.begins.sum() - flow.wholes.sum())
        return [f"{broken} entities lack their beginning or their end, and are read as none"] if broken else []
    unbegun = flow.begins & (flow.letter == ord("I"))
    if not unbegun.any():
        return []
    at = int(np.argmax(unbegun))
    before = "at the beginning" if at in offsets else f"after {tagset.names[ids[at - 1]]}"
    return [f"{unbegun.sum()} entities have no B- ({tagset.names[ids[at]]} {before}) and are read as begun there"]


def ordered(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """The classes that tags make, in a stable order: `O`, then each type with all prefixes of the scheme.

    A prefix that a type never had is among them: other rows may have it. Plain tags: whole numbers by size, else by
    the alphabet.
    """
    if scheme == "plain":
        return sorted(tags, key=int) if all(tag.lstrip("-").isdecimal() for tag in tags) else sorted(tags)
    spellings = [found for tag in tags if (found := Spelling.of(tag)) is not None]
    written = {found.letter: found.prefix for found in spellings}
    between = Counter(found.between for found in spellings).most_common(1)[0][0]
    there = {found.canonical: tag for tag in sorted(tags, reverse=True) if (found := Spelling.of(tag)) is not None}
    classes = [OUTSIDE]
    for kind in sorted({found.type for found in spellings}):
        for letter in _LETTERS[scheme]:
            new = written.get(letter, letter) + (f"{between}{kind}" if between else "")
            classes.append(there.get(f"{letter}-{kind}", new))
    return classes


def spelt(spans: Sequence[Span], length: int, scheme: Scheme) -> list[str]:
    """Canonical tags of `length` words for entities (type, start, end) in their order, which do not overlap."""
    tags, ended = [OUTSIDE] * length, ("", -1)
    for kind, start, end in spans:
        tags[start:end] = [f"I-{kind}"] * (end - start)
        if scheme != "iob1" or ended == (kind, start):
            tags[start] = f"B-{kind}"
        if scheme == "iobes":
            tags[end - 1] = f"E-{kind}" if end - start > 1 else f"S-{kind}"
        ended = (kind, end)
    return tags
