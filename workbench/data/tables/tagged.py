"""Rows of words with a tag each: read from two columns of lists, checked, and as ids.

Faults are said with file and row. Nothing here knows tokens of a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.core.suggest import nearest
from workbench.data.formats import columnar, faults
from workbench.data.tables import columns, tags
from workbench.data.tables.naming import Naming
from workbench.data.tables.splits import Splits
from workbench.data.tables.tags import Tagset
from workbench.metrics.entities import Scheme

_FEW: Final = 8


@dataclass(frozen=True)
class Lists:
    """A column of lists: every item of every row in `flat`, and where each row begins, int64 [rows + 1]."""

    flat: pa.ChunkedArray
    offsets: NDArray[np.int64]

    def row_of(self, position: int) -> int:
        """The row that the item at `position` is of."""
        return int(np.searchsorted(self.offsets, position, "right")) - 1

    def rows(self) -> pa.ChunkedArray:
        """The items as lists again."""
        lists = pa.LargeListArray.from_arrays(pa.array(self.offsets), self.flat.combine_chunks())
        return pa.chunked_array([lists])


def words(splits: Splits, split: str) -> Lists:
    """The words of a split, a missing one as an empty one. Raises DataError for a column that holds no lists."""
    found = _lists(splits, split, "tokens")
    return Lists(pc.fill_null(pc.cast(found.flat, pa.string()), ""), found.offsets)


@runtime_checkable
class TagsAsked(Protocol):
    """What a recipe's `[data]` says of tags."""

    @property
    def labels(self) -> list[str] | None: ...

    @property
    def tag_scheme(self) -> Scheme | None: ...

    @property
    def tag_subwords(self) -> Literal["first", "all"]: ...


def tagset(splits: Splits, data: TagsAsked) -> Tagset:
    """The classes of the tags and their scheme.

    Classes are those of `data.labels`, else of the ClassLabel, else what train holds, completed by the prefixes of
    its scheme. Raises DataError with file and row for a tag that cannot be used or that is no class.
    """
    assert splits.columns.of("tags") is not None, "the task has tags"
    train = _names(splits, "train", data)
    encoded = train.flat.combine_chunks().dictionary_encode()
    there = encoded.dictionary.to_pylist()
    ids = np.asarray(encoded.indices, np.int64)
    scheme: Scheme = data.tag_scheme or tags.scheme_of(there, ids, train.offsets)
    _check_spelling(splits, "train", train, there, scheme)
    given = data.labels or _own(splits)
    found = Tagset(list(given or tags.ordered(there, scheme)), scheme)
    _check_classes(splits, there, found)
    for split in splits.tables():
        _check_known(splits, split, train if split == "train" else _names(splits, split, data), found)
    splits.notes.extend(_said(splits, data, found, there))
    return found


def encode(splits: Splits, split: str, known: Tagset, data: TagsAsked) -> Lists:
    """The id of each word's tag, int64. Raises DataError with file and row for a tag that is no class."""
    named = _names(splits, split, data)
    _check_known(splits, split, named, known)
    ids = pc.index_in(named.flat, value_set=pa.array(known.names, pa.string()))
    return Lists(pc.cast(ids, pa.int64()), named.offsets)


def _lists(splits: Splits, split: str, role: str) -> Lists:
    column, name = splits.values(split, role), splits.columns.of(role)
    kind = columns.kind(column.type)
    if kind != "list" or columns.kind(column.type.value_type) in ("list", "object"):
        what = "lists of lists" if kind == "list" else f"{kind}s, not lists"
        raise DataError(
            f"column {faults.quoted(name)} holds {what}",
            where=str(splits.origins[split]),
            hint=f"set data.{role} to a column with a list of words a row, or give a CoNLL file; where a row is a "
            "word, set data.sentence to the column that numbers the sentences",
        )
    lengths = np.asarray(pc.list_value_length(column), np.int64)
    return Lists(pc.list_flatten(column), np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]))


def _names(splits: Splits, split: str, data: TagsAsked) -> Lists:
    """The name of every word's tag. Raises DataError where words and tags do not match, or a tag is missing."""
    found, beside = _lists(splits, split, "tags"), _lists(splits, split, "tokens")
    _check_lengths(splits, split, beside.offsets, found.offsets)

    def place(position: int) -> str:
        row = found.row_of(position)
        return f"{splits.place(split, row)}, word {position - found.offsets[row] + 1}"

    train = found if split == "train" else _lists(splits, "train", "tags")
    named = Naming.of(train.flat, _own(splits), data.labels, place).names(found.flat, place)
    missing = pc.or_kleene(pc.is_null(named), pc.equal(named, ""))
    if pc.any(missing).as_py():
        at = pc.index(pc.fill_null(missing, True), True).as_py()
        raise DataError("the word has no tag", where=place(at), hint="give every word a tag")
    return Lists(named, found.offsets)


def _own(splits: Splits) -> list[str] | None:
    return columnar.class_names(splits.train.schema, splits.columns.of("tags") or "")


def _check_lengths(splits: Splits, split: str, beside: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    many, tagged = np.diff(beside), np.diff(found)
    wrong = np.flatnonzero(many != tagged)
    if len(wrong):
        more = f" ({len(wrong)} rows of {split} are so)" if len(wrong) > 1 else ""
        raise DataError(
            f"{many[wrong[0]]} words and {tagged[wrong[0]]} tags{more}",
            where=splits.place(split, int(wrong[0])),
            hint="give every word a tag",
        )


def _check_spelling(splits: Splits, split: str, named: Lists, there: list[str], scheme: Scheme) -> None:
    wrong = next((tag for tag in there if not tags.in_scheme(tag, scheme)), None)
    if wrong is not None:
        at = pc.index(named.flat, wrong).as_py()
        raise DataError(
            f"{faults.quoted(wrong)} is no tag of {scheme}",
            where=splits.place(split, named.row_of(at)),
            hint='correct the tag, or set data.tag_scheme (to "plain" where tags spell no entities)',
        )


def _check_classes(splits: Splits, there: list[str], found: Tagset) -> None:
    twice = next((name for name in found.names if found.names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{faults.quoted(twice)} is named twice", where="data.labels")
    if len(there) < 2:
        raise DataError(
            f"every word of train has the tag {faults.quoted(there[0])}: there is nothing to tell apart",
            where=str(splits.origins["train"]),
            hint="take other rows, or set data.tags to another column",
        )


def _check_known(splits: Splits, split: str, named: Lists, known: Tagset) -> None:
    is_known = pc.is_in(named.flat, value_set=pa.array(known.names, pa.string()))
    at = pc.index(is_known, False).as_py()
    if at < 0:
        return
    tag = str(named.flat[at].as_py())
    listed = ", ".join(faults.quoted(name, 20) for name in known.names[:_FEW])
    raise DataError(
        f"tag {faults.quoted(tag)} in {split} is not one of the classes{nearest(tag, known.names)}",
        where=splits.place(split, named.row_of(at)),
        hint=f"they are {listed}{', …' if len(known.names) > _FEW else ''}",
    )


def _said(splits: Splits, data: TagsAsked, found: Tagset, there: list[str]) -> list[str]:
    """What a reader should know of the tags and was not asked."""
    said = [f"tags are read as {found.scheme}"] if data.tag_scheme is None else []
    if found.scheme == "plain" and data.labels is None and all(name.isdecimal() for name in found.names):
        said.append("tags are numbers: name them in data.labels, and they may spell entities")
    absent = [name for name in found.names if name not in set(there)]
    if absent:
        shown = ", ".join(faults.quoted(name) for name in absent[:5]) + (", …" if len(absent) > 5 else "")
        said.append(f"train has no word of {len(absent)} of {len(found.names)} classes of tags: {shown}")
    for split in splits.tables():
        said += [f"{split}: {what}" for what in _flaws(splits, split, data, found)]
    return said


def _flaws(splits: Splits, split: str, data: TagsAsked, known: Tagset) -> list[str]:
    raw = _lists(splits, split, "tags").flat
    said = []
    if columns.kind(raw.type) == "string":
        strays = pc.sum(pc.not_equal(raw, pc.utf8_trim_whitespace(raw))).as_py()
        if strays:
            said.append(f"spaces around {strays} of {len(raw)} tags are no part of the class")
    empty = _lists(splits, split, "tokens").flat.null_count
    if empty:
        said.append(f"{empty} words are missing, read as empty ones")
    ids = encode(splits, split, known, data)
    return said + tags.faults_in(known, np.asarray(ids.flat.combine_chunks()), ids.offsets)
