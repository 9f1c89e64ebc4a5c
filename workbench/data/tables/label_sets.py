"""Any number of labels a row: a list of names or ids, a list of zeros and ones, or a column of them for each label."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.data.formats import columnar, faults
from workbench.data.tables import columns, label_cells, problem
from workbench.data.tables.naming import Naming, Place
from workbench.data.tables.problem import Labelled
from workbench.data.tables.splits import Splits


@dataclass(frozen=True)
class Marks:
    """Which labels the rows have: `names` [marks], and the position of the row of each, int64 [marks], ascending."""

    names: pa.ChunkedArray
    rows: NDArray[np.int64]

    def matrix(self, ids: NDArray[np.int64], rows: int, labels: int) -> NDArray[np.float32]:
        """1 where a row has a label, else 0, [rows, labels]; `ids` are those of the names."""
        made = np.zeros((rows, labels), np.float32)
        made[self.rows, ids] = 1
        return made

    def readable(self, rows: int) -> pa.ChunkedArray:
        """The labels of each row in one string; `NONE` where there are none."""
        bounds = np.searchsorted(self.rows, np.arange(rows + 1)).astype(np.int64)
        lists = pa.LargeListArray.from_arrays(pa.array(bounds), self.names.combine_chunks())
        joined = pc.binary_join(lists, ", ")
        return pa.chunked_array([pc.if_else(pc.equal(pc.list_value_length(lists), 0), NONE, joined)])


NONE = "(none)"


def marks(splits: Splits, split: str, data: Labelled) -> Marks:
    """Every label of every row of a split. Raises DataError with file and row for what is no label."""
    named = splits.columns.named["label"]
    if len(named) == 1 and columns.kind(splits.train.column(named[0]).type) == "list":
        return _of_lists(splits, split, named[0], data)
    return _of_columns(splits, split, list(named), data)


def given(splits: Splits, data: Labelled) -> list[str] | None:
    """The names of the labels where the recipe or the columns say them; None where they are what train holds."""
    named = splits.columns.named["label"]
    if data.labels is not None:
        return data.labels
    column = splits.train.column(named[0])
    if len(named) > 1 or columns.kind(column.type) != "list":
        return list(named)
    if (places := _places(column)) is not None:
        return [str(place) for place in range(places)]
    return columnar.class_names(splits.train.schema, named[0])


# One column a label


def _of_columns(splits: Splits, split: str, named: list[str], data: Labelled) -> Marks:
    titles = data.labels or named
    if len(titles) != len(named):
        raise DataError(
            f"{len(titles)} names for {len(named)} columns of labels",
            where="data.labels",
            hint="name as many, in the order of data.label, or none",
        )
    table = splits.tables()[split]
    held = np.stack([_flags(table.column(name), name, splits, split) for name in named], axis=1)
    rows, ids = np.nonzero(held)
    return Marks(pa.chunked_array([pa.array(titles, pa.string()).take(pa.array(ids))]), rows)


def _flags(column: pa.ChunkedArray, name: str, splits: Splits, split: str) -> NDArray[np.bool_]:
    if pa.types.is_boolean(column.type):
        return np.asarray(column, dtype=np.bool_)
    found = problem.numbers(column)
    if found is None:
        raise DataError(
            f"{faults.quoted(name)} holds {columns.kinds(column.type)}, not labels",
            where=str(splits.origins[split]),
            hint=label_cells.several(column)
            if columns.kind(column.type) == "string"
            else "several labels are a list in each row, or a column of 0 and 1 for each",
        )
    _check(problem.flags(found), column, functools.partial(splits.place, split), f"{faults.quoted(name)} is")
    return np.asarray(pc.equal(found, 1), dtype=np.bool_)


def _check(allowed: pa.ChunkedArray, values: pa.ChunkedArray, place: Place, said: str) -> None:
    position = pc.index(allowed, False).as_py()
    if position >= 0:
        raise DataError(
            f"{said} {values[position].as_py()}, neither 0 nor 1",
            where=place(position),
            hint='a label is there or not; data.problem = "regression" learns numbers',
        )


# A list in each row


def _of_lists(splits: Splits, split: str, name: str, data: Labelled) -> Marks:
    held = splits.tables()[split].column(name)
    if columns.kind(held.type) != "list":
        raise DataError(
            f"{faults.quoted(name)} holds {columns.kinds(held.type)} in {split} and lists in train",
            where=str(splits.origins[split]),
        )
    column, rows = _flat(held)
    place = _placing(splits, split, rows)
    missing = pc.index(pc.is_valid(column), False).as_py()
    if missing >= 0:
        raise DataError(
            "a label in the list is missing", where=place(missing), hint="an empty list says that there is none"
        )
    places = _places(splits.train.column(name))
    if places is not None:
        return _of_places(splits, split, name, places, data)
    names = _naming(splits, name, data).names(column, place)
    empty = pc.index(names, "").as_py()
    if empty >= 0:
        raise DataError(
            "a label in the list is an empty string", where=place(empty), hint="an empty list says that there is none"
        )
    return Marks(names, rows)


def _naming(splits: Splits, name: str, data: Labelled) -> Naming:
    train, rows = _flat(splits.train.column(name))
    own = columnar.class_names(splits.train.schema, name)
    return Naming.of(train, own, data.labels, _placing(splits, "train", rows))


def _placing(splits: Splits, split: str, rows: NDArray[np.int64]) -> Callable[[int], str]:
    return lambda position: splits.place(split, int(rows[position]))


def _flat(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, NDArray[np.int64]]:
    """The values of the lists one after the other, and the row of each."""
    whole = column.combine_chunks()
    return pa.chunked_array([pc.list_flatten(whole)]), np.asarray(pc.list_parent_indices(whole), dtype=np.int64)


def _places(train: pa.ChunkedArray) -> int | None:
    """How many labels there are where each list holds a zero or a one for each of them; None where they name some.

    Lists of ids never hold one twice. Where they are as long as each other and all zeros and ones, and hold one twice
    or each row both, they can be no ids that tell anything apart.
    """
    flat, _ = _flat(train)
    lengths = pc.unique(pc.list_value_length(train)).to_pylist()
    if len(lengths) != 1 or not lengths[0] or columns.kind(flat.type) == "string" or not problem.is_flag(flat):
        return None
    return int(lengths[0]) if lengths[0] > 1 or pa.types.is_boolean(flat.type) else None


def _of_places(splits: Splits, split: str, name: str, places: int, data: Labelled) -> Marks:
    titles = data.labels or [str(place) for place in range(places)]
    if len(titles) != places:
        raise DataError(
            f"{len(titles)} names for lists of {places} zeros and ones",
            where="data.labels",
            hint="name as many, in their order, or none",
        )
    column = splits.tables()[split].column(name)
    lengths = np.asarray(pc.list_value_length(column))
    uneven = np.flatnonzero(lengths != places)
    if len(uneven):
        raise DataError(
            f"a list of {lengths[uneven[0]]} where each has {places} zeros and ones",
            where=splits.place(split, int(uneven[0])),
        )
    flat, rows = _flat(column)
    if not pa.types.is_boolean(flat.type):
        found = problem.numbers(flat)
        assert found is not None, "lists of numbers hold numbers"
        _check(problem.flags(found), flat, _placing(splits, split, rows), "a place of the list is")
    held = np.asarray(pc.equal(pc.cast(flat, pa.float64()), 1)).reshape(-1, places)
    marked, ids = np.nonzero(held)
    return Marks(pa.chunked_array([pa.array(titles, pa.string()).take(pa.array(ids))]), marked)
