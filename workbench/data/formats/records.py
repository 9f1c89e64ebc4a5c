"""Rows that are Python objects, made a table with care: whatever does not fit is told with its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from workbench.core.errors import DataError
from workbench.core.text import clean
from workbench.data.formats import column_faults, faults

DEEPEST: Final = (
    100  # lists and objects within each other; Arrow has no bound of its own, and crashes at some thousands
)
_WHOLE: Final = range(-(1 << 63), 1 << 63)
_ONE_TYPE: Final = "write the column in one type"

Place = Callable[[int], str]
Kinds = dict[str, str]


def counted(path: Path, unit: str = "row") -> Place:
    """Places by number, from 1."""
    return lambda index: f"{path}, {unit} {index + 1}"


def table(path: Path, rows: Iterable[Any], place: Place, kinds: Kinds | None = None) -> pa.Table:
    """A table of dicts whose keys may differ: a missing one is null, whole numbers among others become floats.

    `place` says where a row stands; `kinds` is what the rows before hold, see `kinds_of`. Raises DataError naming the
    first row that is no object or is nested too deeply. A column whose values are of several kinds, at any depth, or
    hold whole numbers beyond 64 bits or half a surrogate pair, holds texts there, and carries the fault
    (`column_faults`).
    """
    read = _Rows(place, {} if kinds is None else kinds)
    for row in rows:
        read.take(row)
    if not read.columns:
        raise DataError("holds no rows", where=str(path))
    try:
        held = {key: _array(key, values, read) for key, values in read.whole().items()}
        return column_faults.marked(pa.table(held), read.faults)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"cannot be made a table ({faults.quoted(error, 120)})", where=str(path)) from error


@dataclass
class _Rows:
    """The values of each column as rows are taken one after the other, and what is wrong with some by its path."""

    place: Place
    kinds: Kinds
    columns: dict[str, list[Any]] = field(default_factory=dict)
    faults: dict[str, DataError] = field(default_factory=dict)
    count: int = 0

    def take(self, row: Any) -> None:
        """One more row. Raises DataError."""
        if not isinstance(row, dict):
            raise DataError(f"holds {_kind(row)} where an object belongs", where=self.place(self.count))
        for key, value in row.items():
            self._check(key, value, 1)
            values = self.columns.setdefault(key, [])
            values += [None] * (self.count - len(values))
            values.append(value)
        self.count += 1

    def whole(self) -> dict[str, list[Any]]:
        """Each column with a value for every row, texts where it has a fault."""
        padded = {key: values + [None] * (self.count - len(values)) for key, values in self.columns.items()}
        return {
            key: [with_texts(key, value, self.faults) for value in values] if touched(key, self.faults) else values
            for key, values in padded.items()
        }

    def _check(self, key: str, value: Any, depth: int) -> None:
        if value is None:
            return
        kind = _kind(value)
        before = self.kinds.setdefault(key, kind)
        if before != kind:
            what = f"holds {kind}, {faults.quoted(value)}, where the rows before hold {before}"
            self._note(key, what, _one_type(key))
        if depth > DEEPEST:
            raise too_deep(self.place(self.count))
        if isinstance(value, list):
            for item in value:
                self._check(f"{key}[]", item, depth + 1)
        elif isinstance(value, dict):
            for name, held in value.items():
                self._check(f"{key}.{name}", held, depth + 1)
        elif isinstance(value, int) and value not in _WHOLE:
            self._note(key, "holds a whole number beyond 64 bits", "write it as a string")

    def _note(self, key: str, what: str, hint: str) -> None:
        fault = DataError(f"{faults.quoted(key)} {what}", where=self.place(self.count), hint=hint)
        self.faults.setdefault(key, fault)


def _one_type(key: str) -> str:
    """What to do about a column of several types. What a tool takes has no one type, and is read from JSON too."""
    top, dot, _ = key.partition(".arguments")
    if dot:
        return f"{_ONE_TYPE}, or {clean(top + dot)} of every row as JSON in a string"
    return f"{_ONE_TYPE}, or as JSON in a string" if top.startswith("tools[]") else _ONE_TYPE


def _array(key: str, values: list[Any], read: _Rows) -> pa.Array:
    try:
        return pa.array(values)
    except UnicodeEncodeError:
        index = next(index for index, value in enumerate(values) if has_surrogate(value))
        read.faults[key] = DataError(
            f"{clean(key)} holds half a surrogate pair, which is no character",
            where=read.place(index),
            hint="replace the \\ud800–\\udfff escape that stands alone",
        )
        return pa.array([None if value is None else as_text(value) for value in values], pa.string())


def loosened(table: pa.Table, faulty: Mapping[str, DataError]) -> pa.Table:
    """The table with texts in place of what has a fault, wherever in its file the fault was met."""
    for place, name in enumerate(table.column_names):
        if touched(name, faulty):
            values = [with_texts(name, value, faulty) for value in table.column(place).to_pylist()]
            table = table.set_column(place, name, pa.array(values))
    return table


def touched(name: str, paths: Iterable[str]) -> bool:
    """Whether one of the paths is a column, or leads into it."""
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for path in paths)


def with_texts(path: str, value: Any, paths: Container[str]) -> Any:
    """A value with a text for what stands at one of the paths."""
    if value is None or path in paths:
        return None if value is None else as_text(value)
    if isinstance(value, list):
        return [with_texts(f"{path}[]", item, paths) for item in value]
    if isinstance(value, dict):
        return {name: with_texts(f"{path}.{name}", held, paths) for name, held in value.items()}
    return value


def as_text(value: Any) -> str:
    """A value as it can be shown: a string as it is, all else as JSON, half a surrogate pair as `?`."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace").decode()


def too_deep(where: str) -> DataError:
    return DataError(f"lists and objects are nested more than {DEEPEST} deep", where=where)


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
    for column in schema or ():
        _add_kinds(kinds, column.name, column.type)
    return kinds


def _add_kinds(kinds: Kinds, key: str, type: pa.DataType) -> None:
    if pa.types.is_list(type):
        kinds[key] = "a list"
        _add_kinds(kinds, f"{key}[]", type.value_type)
    elif pa.types.is_struct(type):
        kinds[key] = "an object"
        for inner in type:
            _add_kinds(kinds, f"{key}.{inner.name}", inner.type)
    elif pa.types.is_boolean(type):
        kinds[key] = "true or false"
    elif pa.types.is_integer(type) or pa.types.is_floating(type):
        kinds[key] = "a number"
    elif not pa.types.is_null(type):
        kinds[key] = "a string"


def has_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
