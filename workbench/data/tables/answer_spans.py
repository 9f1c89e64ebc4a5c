"""The answers of a question, however a file spells them, and where the one to learn from stands in the context.

Read are SQuAD's struct of the lists `text` and `answer_start`, a list of such structs, a string and a list of strings,
with a column `answer_start` or without. An empty or missing answer, or `is_impossible`, is a question that the context
does not answer (Rajpurkar et al. 2018). Places are in code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.data.formats import faults
from workbench.data.tables.splits import Splits

_NEAR: Final = 32  # code points by which a start may be wrong and still mean the nearest place
_LETTER: Final = re.compile(r"\w")
# Chinese characters and kana.
_DENSE: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_IMPOSSIBLE: Final = "is_impossible"
_SAID: Final = {
    "sought": "have no answer_start; the answer stands in the context once, and that place is taken",
    "repeated": "have an answer that stands in the context more than once and no start to tell which; "
    "the first place is taken",
    "repaired": "have an answer_start that misses the answer; where it does stand, close by or only there, is taken",
    "unmatched": "have an answer that does not stand in the context; they are not trained on, and count when evaluated",
}


@dataclass(frozen=True)
class AnswerSpans:
    """Of each row of a split: all gold texts (none: not answerable), and where the first that is found stands.

    `starts` and `ends` int64 [rows] are -1 where there is nothing to point at. `how` holds the rows' positions by the
    way the place was found: `sought`, `repeated`, `repaired` and `unmatched`; those of an exact start are in none.
    """

    golds: list[list[str]]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    how: dict[str, list[int]]

    @property
    def unanswerable(self) -> NDArray[np.bool_]:
        return np.fromiter((not golds for golds in self.golds), dtype=bool, count=len(self.golds))

    @property
    def unmatched(self) -> NDArray[np.bool_]:
        """The rows whose answers stand nowhere in their context."""
        return (self.starts < 0) & ~self.unanswerable

    def counts(self) -> dict[str, int]:
        """How many rows are `unanswerable`, `sought`, `repeated`, `repaired` and `unmatched`."""
        return {"unanswerable": int(self.unanswerable.sum())} | {name: len(rows) for name, rows in self.how.items()}


def read(splits: Splits, split: str) -> AnswerSpans:
    """The answers of a split. Raises DataError, with file and row, for one that is of no known shape."""
    contexts = splits.texts(split, "context").to_pylist()
    how: dict[str, list[int]] = {name: [] for name in _SAID}
    golds: list[list[str]] = []
    places = np.full((len(contexts), 2), -1, np.int64)
    for row, (context, given) in enumerate(zip(contexts, _given(splits, split), strict=True)):
        golds.append(list(dict.fromkeys(text for text, _ in given)))
        found, way = _first(context, given)
        if way in how:
            how[way].append(row)
        if found is not None:
            places[row] = found
    return AnswerSpans(golds, places[:, 0], places[:, 1], how)


def notes(splits: Splits, split: str, answers: AnswerSpans) -> list[str]:
    """What was sought, repaired or not found, in a sentence each, with the place of the first."""
    total = len(answers.golds)
    return [
        f"{split}: {len(rows)} of {total} rows {_SAID[name]} (the first: {splits.place(split, rows[0])})"
        for name, rows in answers.how.items()
        if rows
    ]


_Given = list[tuple[str, int | None]]


def _given(splits: Splits, split: str) -> Iterator[_Given]:
    """The answers of each row that are not empty, with their starts where there are any."""
    table = splits.tables()[split]
    values = splits.values(split, "answers").to_pylist()
    placed = splits.columns.of("answer_start") is not None
    starts = splits.values(split, "answer_start").to_pylist() if placed else [None] * len(values)
    impossible = _impossible(table)
    for row, (value, start) in enumerate(zip(values, starts, strict=True)):
        try:
            pairs = [] if impossible[row] else _pairs(value, start)
        except ValueError as error:
            raise DataError(str(error), where=splits.place(split, row)) from error
        yield [(text, place) for text, place in pairs if text.strip()]


def _impossible(table: pa.Table) -> Sequence[bool]:
    if _IMPOSSIBLE not in table.column_names or not pa.types.is_boolean(table.schema.field(_IMPOSSIBLE).type):
        return [False] * table.num_rows
    return [bool(value) for value in table.column(_IMPOSSIBLE).to_pylist()]


def _pairs(value: Any, starts: Any) -> _Given:
    """Texts with their starts out of one row's value, whatever its shape. Raises ValueError for an unknown one."""
    if isinstance(value, dict):
        if "text" not in value:
            raise ValueError(f"an answer has no text: {faults.quoted(value)}")
        return _pairs(value["text"], value.get("answer_start", starts))
    if isinstance(value, list):
        return [
            pair for item, start in zip(value, _spread(starts, len(value)), strict=True) for pair in _pairs(item, start)
        ]
    return [] if value is None else [(str(value), _start(starts))]


def _spread(starts: Any, wanted: int) -> list[Any]:
    """A start for each of several answers; a single one is that of the first."""
    listed = starts if isinstance(starts, list) else [starts]
    return [*listed, *[None] * wanted][:wanted]


def _start(value: Any) -> int | None:
    """A start as a number; -1 is a usual way to say that none is known. Raises ValueError for what is no number."""
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None or value != value:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or value % 1:
        raise ValueError(f"answer_start is no whole number: {faults.quoted(value)}")
    return int(value) if value >= 0 else None


def _first(context: str, given: _Given) -> tuple[tuple[int, int] | None, str]:
    """Start and end of the first answer that stands in the context, white space around it left out; and how found."""
    for text, start in given:
        bare = text.strip()
        where = None if start is None else start + text.index(bare)
        found, way = locate(context, bare, where)
        if found is not None:
            return (found, found + len(bare)), way
    return None, "unmatched" if given else "unanswerable"


def locate(context: str, text: str, start: int | None) -> tuple[int | None, str]:
    """Where `text` stands in the context, None where it does not, and how it was found (`AnswerSpans.how`, or `exact`).

    A start that misses it may count bytes of UTF-8, or be off by a few; else it is as if there were none.
    """
    if start is not None:
        if context.startswith(text, start):
            return start, "exact"
        near = _of_bytes(context, text, start)
        near = _nearest(context, text, start) if near is None else near
        if near is not None:
            return near, "repaired"
    first = context.find(text)
    if first < 0:
        return None, "unmatched"
    if context.find(text, first + 1) >= 0:
        return first, "repeated"
    return first, "sought" if start is None else "repaired"


def _of_bytes(context: str, text: str, start: int) -> int | None:
    if context.isascii():
        return None
    encoded = context.encode("utf-8", "surrogatepass")
    if not encoded.startswith(text.encode("utf-8", "surrogatepass"), start):
        return None
    return len(encoded[:start].decode("utf-8", "surrogatepass"))


def _nearest(context: str, text: str, start: int) -> int | None:
    low, high = max(0, start - _NEAR), start + _NEAR
    before = context.rfind(text, low, min(start, len(context)) + len(text))
    after = context.find(text, start, high + len(text))
    there = [place for place in (before, after) if place >= 0]
    return min(there, key=lambda place: abs(place - start)) if there else None


def by_character(golds: Iterable[Sequence[str]]) -> bool:
    """Whether answers are to be compared by character: most of their letters are of a script without spaces."""
    texts = [text for row in golds for text in row]
    letters = sum(len(_LETTER.findall(text)) for text in texts)
    return 2 * sum(len(_DENSE.findall(text)) for text in texts) > letters


def nothing_to_learn(splits: Splits) -> DataError:
    """What is said of rows to train on none of which has an answer that can be learned."""
    return DataError(
        "no question has an answer that stands in its context: there is nothing to learn",
        where=str(splits.origins["train"]),
        hint="take rows with answers, or check which column is what",
    )
