"""Where the entities are in a sequence of tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final, Literal

from workbench.core.errors import BadInput

Scheme = Literal["bio", "iob1", "iobes", "plain"]
# The type, the first place, and the place after the last: `tags[start:end]` is the entity.
Span = tuple[str, int, int]

OUTSIDE: Final = "O"
UNTYPED: Final = "_"
_MARKS: Final = {"bio": "BI", "iob1": "BI", "iobes": "BIES"}
# BMES and BILOU say the same with other letters.
_SAME: Final = {"M": "I", "L": "E", "U": "S"}


def spans(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """The entities of a sequence, in its order, as (type, start, end) with `end` the place after the last.

    `bio` (IOB2) and `iob1` are read as `conlleval` of CoNLL-2000 to 2003 reads them, which is seqeval's default mode:
    an `I-` that follows no entity of its type begins one. `iobes` is read strictly (seqeval's `mode="strict"`): an
    entity is a `B-` up to its `E-`, or an `S-`, and half of one is none; BMES and BILOU are the same in other
    letters. In `plain`, neighbours of the same tag are one entity. A mark without a type has the type `_`.
    Raises BadInput for a tag that is none of the scheme.
    """
    return _READERS[scheme](tags)


def _loose(tags: Sequence[str]) -> list[Span]:
    found: list[Span] = []
    kind, start = None, 0
    for place, (mark, type_) in enumerate(_parts([*tags, OUTSIDE], "bio")):
        begins = mark == "B" or (mark == "I" and type_ != kind)
        if kind is not None and (begins or mark == OUTSIDE):
            found.append((kind, start, place))
            kind = None
        if begins:
            kind, start = type_, place
    return found


def _strict(tags: Sequence[str]) -> list[Span]:
    found: list[Span] = []
    kind, start = None, 0
    for place, (mark, type_) in enumerate(_parts(tags, "iobes")):
        if mark in "BS":
            kind, start = type_, place
        elif type_ != kind:
            kind = None
        if mark in "ES":
            found += [] if kind is None else [(kind, start, place + 1)]
            kind = None
    return found


def _plain(tags: Sequence[str]) -> list[Span]:
    runs = (list(run) for _, run in groupby(enumerate(tags), key=lambda entry: entry[1]))
    return [(run[0][1], run[0][0], run[-1][0] + 1) for run in runs if run[0][1] != OUTSIDE]


def _parts(tags: Iterable[str], scheme: Scheme) -> Iterable[tuple[str, str | None]]:
    """Each tag's mark and type; outside has no type."""
    for tag in tags:
        yield (OUTSIDE, None) if tag == OUTSIDE else _split(tag, scheme)


def _split(tag: str, scheme: Scheme) -> tuple[str, str]:
    mark, dash, type_ = tag.partition("-")
    mark = _SAME.get(mark, mark) if scheme == "iobes" else mark
    if len(mark) != 1 or mark not in _MARKS[scheme] or (dash and not type_):
        raise BadInput(f"{tag!r} is no tag of {scheme}", hint="say the scheme of the tags")
    return mark, type_ or UNTYPED


_READERS: Final[dict[Scheme, Callable[[Sequence[str]], list[Span]]]] = {
    "bio": _loose,
    "iob1": _loose,
    "iobes": _strict,
    "plain": _plain,
}
