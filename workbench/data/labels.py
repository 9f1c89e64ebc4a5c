"""Labels: from what stands in a column to the names of classes, their order, and the ids a model learns.

Every kind of label becomes a name first: strings without the spaces around them, whole numbers as written, booleans
as `true` and `false`, the ids of `datasets`' ClassLabel as their names, and ids as the names in `data.labels`.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.data import columnar, columns, faults
from workbench.data.splits import Splits
from workbench.errors import DataError
from workbench.nearest import nearest
from workbench.recipe import Data
from workbench.text import clean

_FEW = 20
Ids = np.ndarray[tuple[int], np.dtype[np.int64]]


def classes(splits: Splits, data: Data) -> list[str]:
    """The names of the classes, in the order of their ids.

    That is the order of `data.labels`, else of the ClassLabel, else whole numbers by size, else false and true, else
    strings by the alphabet. Raises DataError with file and row for a label that cannot be used or that training does
    not know, and where there is but one class. Adds to `splits.notes` what was mended.
    """
    assert splits.label is not None, "the task has no labels"
    _check_given(data.labels or [])
    _note_spaces(splits)
    train = names(splits, "train", data)
    known = data.labels or columnar.class_names(splits.train.schema, splits.label) or _ordered(train)
    named = "data.labels" if data.labels else "the classes of train"
    for split in splits.tables():
        if (fault := _unknown(splits, split, names(splits, split, data), known, named)) is not None:
            raise fault
    _check_train(splits, train)
    _note_absent(splits, train, known)
    return list(known)


def encode(splits: Splits, split: str, known: list[str], data: Data) -> Ids:
    """The id of each row's class, int64 [rows]. Raises DataError with file and row for a label not among `known`."""
    found = pc.index_in(names(splits, split, data), value_set=pa.array(known, pa.string()))
    if found.null_count:
        raise _unknown(splits, split, names(splits, split, data), known, "the classes") or AssertionError
    return np.asarray(found.combine_chunks(), dtype=np.int64)


def counts(splits: Splits, split: str, known: list[str], data: Data) -> dict[str, int]:
    """How many rows of a split each class has, in the order of their ids."""
    found = np.bincount(encode(splits, split, known, data), minlength=len(known))
    return {name: int(count) for name, count in zip(known, found, strict=True)}


def names(splits: Splits, split: str, data: Data) -> pa.ChunkedArray:
    """Each row's label by name. Raises DataError where the column holds no labels."""
    assert splits.label is not None, "the task has no labels"
    table = splits.tables()[split]
    return _names(table.column(splits.label), table.schema, splits, split, data.labels)


def _names(
    column: pa.ChunkedArray, schema: pa.Schema, splits: Splits, split: str, given: list[str] | None
) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_floating(column.type):
        column = _whole(column, splits, split)
    if pa.types.is_boolean(column.type):
        return _given_by_id(pc.cast(column, pa.int8()), pc.cast(column, pa.string()), splits, split, given)
    if pa.types.is_integer(column.type):
        assert splits.label is not None
        by_id = columnar.class_names(schema, splits.label)
        plain = pc.cast(column, pa.string())
        if by_id is not None:
            plain = _given_by_id(column, plain, splits, split, by_id)
        return _given_by_id(column, plain, splits, split, given)
    if pa.types.is_nested(column.type):
        raise DataError(
            f"{clean(splits.label or '')} holds {columns.kind(column.type)}s, not one label a row",
            where=str(splits.origins[split]),
            mend="set data.label to a column of single labels",
        )
    return pc.utf8_trim_whitespace(pc.cast(column, pa.string()))


def _given_by_id(
    ids: pa.ChunkedArray, plain: pa.ChunkedArray, splits: Splits, split: str, given: list[str] | None
) -> pa.ChunkedArray:
    """Ids as the names at those places, unless the labels are among the names as they stand."""
    if given is None or pc.all(pc.is_in(plain, value_set=pa.array(given, pa.string()))).as_py():
        return plain
    outside = pc.or_(pc.less(ids, 0), pc.greater_equal(ids, len(given)))
    if pc.any(outside).as_py():
        position = pc.index(outside, True).as_py()
        raise DataError(
            f"label {ids[position].as_py()} is outside 0 to {len(given) - 1}, the ids of the {len(given)} names given",
            where=splits.place(split, position),
            mend="name every class in data.labels, or number them from 0",
        )
    return pa.chunked_array([pa.array(given, pa.string()).take(ids.combine_chunks())])


def _whole(column: pa.ChunkedArray, splits: Splits, split: str) -> pa.ChunkedArray:
    """Numbers that are whole, as pandas writes ids once one is missing. Raises DataError at the first that is not."""
    broken = pc.not_equal(column, pc.round(column))
    if pc.any(broken).as_py():
        position = pc.index(broken, True).as_py()
        raise DataError(
            f"label {column[position].as_py()} is not a class",
            where=splits.place(split, position),
            mend="set data.label to a column of names or whole numbers",
        )
    return pc.cast(column, pa.int64())


def _ordered(train: pa.ChunkedArray) -> list[str]:
    found: list[str] = pc.unique(train).to_pylist()
    try:
        return sorted(found, key=int)
    except ValueError:
        return sorted(found)


def _check_given(given: list[str]) -> None:
    twice = [name for name, times in Counter(given).items() if times > 1]
    if twice:
        raise DataError(f"{faults.quoted(twice[0])} is named twice", where="data.labels")


def _check_train(splits: Splits, train: pa.ChunkedArray) -> None:
    there = pc.unique(train).to_pylist()
    where = str(splits.origins["train"])
    if len(there) < 2:
        raise DataError(
            f"only one class {faults.quoted(there[0])} in train: there is nothing to tell apart",
            where=where,
            mend="take other rows (data.shuffle_seed shuffles before slicing), or set data.label to another column",
        )
    if len(there) > _FEW and len(there) > len(train) / 2:
        raise DataError(
            f"{clean(splits.label or '')} has {len(there)} classes in {len(train)} rows",
            where=where,
            mend="set data.label to a column of classes",
        )


def _note_absent(splits: Splits, train: pa.ChunkedArray, known: list[str]) -> None:
    there = set(pc.unique(train).to_pylist())
    absent = [name for name in known if name not in there]
    if absent:
        shown = ", ".join(faults.quoted(name) for name in absent[:5])
        splits.notes.append(f"train has no row of {len(absent)} of {len(known)} classes: {shown}")


def _unknown(splits: Splits, split: str, found: pa.ChunkedArray, known: list[str], named: str) -> DataError | None:
    """The DataError for the first label that is not among `known`, None where all are. `named` says what those are."""
    position = pc.index(pc.is_in(found, value_set=pa.array(known, pa.string())), False).as_py()
    if position < 0:
        return None
    name = str(found[position].as_py())
    listed = ", ".join(faults.quoted(item, 20) for item in known[:8]) + (", …" if len(known) > 8 else "")
    return DataError(
        f"label {faults.quoted(name)} in {split} is not one of {named}{nearest(name, known)}",
        where=splits.place(split, position),
        mend=f"they are {listed}",
    )


def _note_spaces(splits: Splits) -> None:
    assert splits.label is not None
    for split, table in splits.tables().items():
        column = table.column(splits.label)
        if not pa.types.is_string(column.type):
            continue
        strays = pc.sum(pc.not_equal(column, pc.utf8_trim_whitespace(column))).as_py()
        if strays:
            splits.notes.append(f"{split}: spaces around {strays} of {table.num_rows} labels are no part of the class")
