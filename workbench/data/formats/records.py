"""Rows that are Python objects, made a table with care: whatever does not fit is told with its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from workbench.core.errors import DataError
from workbench.core.text import clean
from workbench.data.formats import faults

DEEPEST: Final = (
    100  # lists and objects within each other; Arrow has no bound of its own, and crashes at some thousands
)
_WHOLE = range(-(1 << 63), 1 << 63)

Place = Callable[[int], str]
Kinds = dict[str, str]


def counted(path: Path, unit: str = "row") -> Place:
    """Places by number, from 1."""
    return lambda index: f"{path}, {unit} {index + 1}"


def table(path: Path, rows: Iterable[Any], place: Place, kinds: Kinds | None = None) -> pa.Table:
    """A table of dicts whose keys may differ: a missing one is null, whole numbers among others become floats.

    `place` says where a row stands; `kinds` is what the rows before hold, see `kinds_of`. Raises DataError naming the
    first row that is no object, whose value is of another kind than those before it at any depth, is a whole number
    beyond 64 bits, or holds half a surrogate pair.
    """
    columns, count = _columns(rows, place, {} if kinds is None else kinds)
    if not columns:
        raise DataError("holds no rows", where=str(path))
    for values in columns.values():
        values += [None] * (count - len(values))
    try:
        return pa.table({key: pa.array(values) for key, values in columns.items()})
    except UnicodeEncodeError as error:
        raise _surrogate(columns, place) from error
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"cannot be made a table ({faults.quoted(error, 120)})", where=str(path)) from error


def _columns(rows: Iterable[Any], place: Place, kinds: Kinds) -> tuple[dict[str, list[Any]], int]:
    columns: dict[str, list[Any]] = {}
    count = 0
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f"holds {_kind(row)} where an object belongs", where=place(index))
        for key, value in row.items():
            _check(kinds, key, value, index, place, 1)
            values = columns.setdefault(key, [])
            values += [None] * (index - len(values))
            values.append(value)
        count = index + 1
    return columns, count


def _check(kinds: Kinds, key: str, value: Any, index: int, place: Place, depth: int) -> None:
    if value is None:
        return
    kind = _kind(value)
    before = kinds.setdefault(key, kind)
    if before != kind:
        raise _mixed(key, value, kind, before, place(index))
    if depth > DEEPEST:
        raise too_deep(place(index))
    if isinstance(value, list):
        for item in value:
            _check(kinds, f"{key}[]", item, index, place, depth + 1)
    elif isinstance(value, dict):
        for name, held in value.items():
            _check(kinds, f"{key}.{name}", held, index, place, depth + 1)
    elif isinstance(value, int) and value not in _WHOLE:
        raise DataError(
            f"{faults.quoted(key)} holds a whole number beyond 64 bits", where=place(index), hint="write it as a string"
        )


def too_deep(where: str) -> DataError:
    return DataError(f"lists and objects are nested more than {DEEPEST} deep", where=where)


def _mixed(key: str, value: Any, kind: str, before: str, where: str) -> DataError:
    return DataError(
        f"{faults.quoted(key)} holds {kind}, {faults.quoted(value)}, where the rows before hold {before}",
        where=where,
        hint="write the column in one type",
    )


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def kinds_of(schema: pa.Schema | None) -> Kinds:
    """What the values of a schema are, at every depth: `{"answers": "an object", "answers.text[]": "a string", …}`."""
    kinds: Kinds = {}
    for field in schema or ():
        _add_kinds(kinds, field.name, field.type)
    return kinds


def _add_kinds(kinds: Kinds, key: str, type: pa.DataType) -> None:
    if pa.types.is_list(type):
        kinds[key] = "a list"
        _add_kinds(kinds, f"{key}[]", type.value_type)
    elif pa.types.is_struct(type):
        kinds[key] = "an object"
        for field in type:
            _add_kinds(kinds, f"{key}.{field.name}", field.type)
    elif pa.types.is_boolean(type):
        kinds[key] = "true or false"
    elif pa.types.is_integer(type) or pa.types.is_floating(type):
        kinds[key] = "a number"
    elif not pa.types.is_null(type):
        kinds[key] = "a string"


def _surrogate(columns: dict[str, list[Any]], place: Place) -> DataError:
    found = (
        (key, index)
        for key, values in columns.items()
        for index, value in enumerate(values)
        if has_surrogate({key: value})
    )
    key, index = next(found, ("a text", 0))
    return DataError(
        f"{clean(key)} holds half a surrogate pair, which is no character",
        where=place(index),
        hint="replace the \\ud800–\\udfff escape that stands alone",
    )


def has_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
