"""Labels: from what stands in a column to the names of classes, their order, and what a model learns.

One door for every kind of label there is (`workbench.data.tables.problem`). Names come first
(`workbench.data.tables.naming`), then their ids; numbers of a regression have none, and their targets are named as
their columns.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.core.suggest import nearest
from workbench.core.text import clean
from workbench.data.formats import columnar, faults
from workbench.data.tables import columns, label_cells, label_sets, problem, targets
from workbench.data.tables.naming import Naming
from workbench.data.tables.problem import Labelled
from workbench.data.tables.splits import Splits

_FEW = 20
Ids = np.ndarray[tuple[int], np.dtype[np.int64]]


def classes(splits: Splits, data: Labelled) -> list[str]:
    """The names of the classes, in the order of their ids; of a regression, of its targets.

    That is the order of `data.labels`, else of the ClassLabel or the columns, else whole numbers by size, else false
    and true, else strings by the alphabet. Raises DataError with file and row for a label that cannot be used or that
    training does not know, and where there is nothing to tell apart. Adds to `splits.notes` what was corrected.
    """
    kind = problem.of(splits, data)
    if kind == "single-label" and data.problem is None:
        _ask_of_cells(splits, data)
    if data.problem is None and kind != "single-label":
        splits.notes.append(f"{', '.join(map(clean, splits.columns.named['label'][:8]))}: read as {kind}")
    if kind == "regression":
        for split in splits.tables():
            targets.numbers(splits, split)
        return targets.names(splits)
    _check_given(data.labels or [])
    _note_spaces(splits)
    several = kind == "multi-label"
    found = {split: _marked(splits, split, data, kind) for split in splits.tables()}
    own = label_sets.given(splits, data) if several else _own(splits)
    known = list(data.labels or own or _ordered(found["train"]))
    named = "data.labels" if data.labels else "the classes of train"
    # What is wrong with the whole column is said before what is wrong with a row of it.
    check = _check_several if several else _check_train
    check(splits, found["train"])
    for split, names in found.items():
        if (fault := _unknown(splits, split, names, known, named, data)) is not None:
            raise fault
    if not several:
        _note_numbers(splits, data)
    if not (data.labels or own):
        _warn_alike(splits, known)
    _note_absent(splits, found["train"], known)
    return known


def encode(splits: Splits, split: str, known: list[str], data: Labelled) -> NDArray[Any]:
    """What is learnt of each row: the id of its class, int64 [rows]; 1 for each label it has, float32 [rows, labels];
    or its numbers, float64 [rows, targets]. Raises DataError with file and row for a label not among `known`.
    """
    kind = problem.of(splits, data)
    if kind == "regression":
        return targets.numbers(splits, split)
    names = _marked(splits, split, data, kind)
    found = pc.index_in(names, value_set=pa.array(known, pa.string()))
    if found.null_count:
        raise _unknown(splits, split, names, known, "the classes", data) or AssertionError
    ids = np.asarray(found.combine_chunks(), dtype=np.int64)
    if kind == "single-label":
        return ids
    return label_sets.marks(splits, split, data).matrix(ids, splits.tables()[split].num_rows, len(known))


def counts(splits: Splits, split: str, known: list[str], data: Labelled) -> dict[str, int]:
    """How many rows of a split each class has, in the order of their ids. Nothing for a regression."""
    return tally(encode(splits, split, known, data), known) if problem.of(splits, data) != "regression" else {}


def tally(encoded: NDArray[Any], known: list[str]) -> dict[str, int]:
    """The same of labels that are encoded."""
    found = np.bincount(encoded, minlength=len(known)) if encoded.ndim == 1 else encoded.sum(axis=0, dtype=np.int64)
    return {name: int(count) for name, count in zip(known, found, strict=True)}


def names(splits: Splits, split: str, data: Labelled) -> pa.ChunkedArray:
    """Each row's label as it is read: its name, several by commas, or its number. Raises DataError for no label."""
    kind = problem.of(splits, data)
    table = splits.tables()[split]
    if kind == "multi-label":
        return label_sets.marks(splits, split, data).readable(table.num_rows)
    if kind == "regression":
        held = [pc.cast(table.column(name), pa.string()) for name in targets.names(splits)]
        return columns.joined(held, ", ")
    return _marked(splits, split, data, kind)


def _marked(splits: Splits, split: str, data: Labelled, kind: str) -> pa.ChunkedArray:
    """The name of every label of a split, one a row or any number."""
    if kind == "multi-label":
        return label_sets.marks(splits, split, data).names
    table = splits.tables()[split]
    column = table.column(_column(splits))
    if pa.types.is_nested(column.type):
        raise DataError(
            f"{clean(_column(splits))} holds {columns.kinds(column.type)}, not one label a row",
            where=str(splits.origins[split]),
            hint="set data.label to a column of single labels",
        )
    train = splits.train.column(_column(splits))
    naming = Naming.of(train, _own(splits), data.labels, functools.partial(splits.place, "train"))
    return naming.names(column, functools.partial(splits.place, split))


def _own(splits: Splits) -> list[str] | None:
    return columnar.class_names(splits.train.schema, _column(splits))


def _column(splits: Splits) -> str:
    assert splits.label is not None, "the task has no labels"
    return splits.label


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
    if len(there) < 2:
        raise DataError(
            f"only one class {faults.quoted(there[0])} in train: there is nothing to tell apart",
            where=str(splits.origins["train"]),
            hint="take other rows (data.shuffle_seed shuffles before slicing), or set data.label to another column",
        )
    _check_few(splits, len(there), len(train))


def _check_several(splits: Splits, train: pa.ChunkedArray) -> None:
    if not len(train):
        raise DataError(
            "no row of train has a label: there is nothing to learn",
            where=str(splits.origins["train"]),
            hint="take other rows, or set data.label to another column",
        )
    _check_few(splits, len(pc.unique(train)), splits.train.num_rows)


def _check_few(splits: Splits, there: int, rows: int) -> None:
    if there > _FEW and there > rows / 2:
        raise DataError(
            f"{clean(_column(splits))} has {there} classes in {rows} rows",
            where=str(splits.origins["train"]),
            hint='set data.label to a column of classes, or data.problem = "regression" for numbers to predict',
        )


def _note_absent(splits: Splits, train: pa.ChunkedArray, known: list[str]) -> None:
    there = set(pc.unique(train).to_pylist())
    absent = [name for name in known if name not in there]
    if absent:
        shown = ", ".join(faults.quoted(name) for name in absent[:5])
        splits.notes.append(f"train has no row of {len(absent)} of {len(known)} classes: {shown}")


def _note_numbers(splits: Splits, data: Labelled) -> None:
    if data.problem is None and pa.types.is_floating(splits.train.column(_column(splits)).type):
        splits.notes.append(
            f'{clean(_column(splits))}: whole numbers are read as classes; data.problem = "regression" learns numbers'
        )


def _warn_alike(splits: Splits, known: list[str]) -> None:
    """That classes differ in no more than case, spaces or leading zeros: often one that was written by two hands."""
    by_spelling: dict[str, list[str]] = {}
    for name in known:
        folded = re.sub(r"^0+(?=\d+$)", "", " ".join(name.casefold().split()))
        by_spelling.setdefault(folded, []).append(name)
    alike = next((names for names in by_spelling.values() if len(names) > 1), None)
    if alike is None:
        return
    told = (
        f"{len(known)} classes of {clean(_column(splits))} are {len(by_spelling)} but for case, spaces and leading "
        f"zeros, such as {' and '.join(faults.quoted(name) for name in alike)}: if they are the same, write them alike"
    )
    if told not in splits.warnings:
        splits.warnings.append(told)


def _unknown(
    splits: Splits, split: str, found: pa.ChunkedArray, known: list[str], named: str, data: Labelled
) -> DataError | None:
    """The DataError for the first label that is not among `known`, None where all are. `named` says what those are."""
    position = pc.index(pc.is_in(found, value_set=pa.array(known, pa.string())), False).as_py()
    if position < 0:
        return None
    name = str(found[position].as_py())
    listed = ", ".join(faults.quoted(item, 20) for item in known[:8]) + (", …" if len(known) > 8 else "")
    several = problem.of(splits, data) == "multi-label"
    row = int(label_sets.marks(splits, split, data).rows[position]) if several else position
    return DataError(
        f"label {faults.quoted(name)} in {split} is not one of {named}{nearest(name, known)}",
        where=splits.place(split, row),
        hint=f"they are {listed}",
    )


def _ask_of_cells(splits: Splits, data: Labelled) -> None:
    """Cells that look like several labels each: a warning, or where much speaks for it a DataError that asks."""
    column, name = splits.train.column(_column(splits)), _column(splits)
    asked = label_cells.question(column, name, data.labels, str(splits.origins["train"]))
    if asked is not None:
        raise asked
    told = None if data.labels is not None else label_cells.doubt(column, name)
    if told is not None and told not in splits.warnings:
        splits.warnings.append(told)


def _note_spaces(splits: Splits) -> None:
    for split, table in splits.tables().items():
        column = table.column(_column(splits))
        if columns.kind(column.type) == "list":
            column = pa.chunked_array([pc.list_flatten(column.combine_chunks())])
        if not pa.types.is_string(column.type):
            continue
        strays = pc.sum(pc.not_equal(column, pc.utf8_trim_whitespace(column))).as_py()
        if strays:
            splits.notes.append(f"{split}: spaces around {strays} of {len(column)} labels are no part of the class")
