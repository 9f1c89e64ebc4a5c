"""Typed values from JSON and back: how a class is read from a record, and written to one.

The fields of a class say what is asked of a record. Of `Details`, which stand in logs for years:

- a field without a default must be there and must be what its type says, or the record is refused; one that may be
  None may be missing;
- a field with a default is left at it where it is missing or cannot be read. Where the default is None, None is not
  written.

What the class has no field for, as a newer version may write, and what could not be read, is kept in `rest` and written
again: nothing is lost on the way through.

Any other dataclass crosses between two processes of one installation. Its record must have each field that has no
default, and no other; one that cannot be read is refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal, NewType, TypeAlias, TypeVar

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

Finite = NewType("Finite", float)
"""A number that is neither NaN nor infinite."""

UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading a field raises where the value is not what the type says."""

LARGEST: Final = 2**62
"""Whole numbers are smaller than that, so that SQLite can hold them and their sums."""

_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

D = TypeVar("D", bound="Details")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """A record. `rest` holds what this version has no field for or cannot read, as it came."""

    rest: Mapping[str, object] = field(default_factory=dict)


class Tabled:
    """A dataclass of which there are many at a time: a tuple of them crosses as columns, in half the time."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Field:
    """How one field is read; `default` makes its default, and is None where there is none."""

    name: str
    read: Callable[[object], object]
    default: Callable[[], object] | None
    spare: bool  # its default is None: that is not written
    nullable: bool


def number(value: object) -> float:
    """A logged number as a float: "NaN", "Infinity" and "-Infinity" become what they name."""
    if isinstance(value, str):
        return _SPECIAL[value]
    return float(value)  # type: ignore[arg-type]  # anything else that is no number raises here, as it should


def plain(value: float) -> float | str:
    """A float as JSON can say it: finite as itself, the others by name."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def whole(value: object) -> int:
    """An integer that SQLite can hold. Raises TypeError, ValueError, OverflowError."""
    result = int(value)  # type: ignore[call-overload]  # anything that is no number raises here, as it should
    if not -LARGEST < result < LARGEST:
        raise ValueError(f"{value} is out of range")
    return int(result)


def finite(value: object) -> Finite:
    """A finite number. Raises TypeError, ValueError, OverflowError, KeyError."""
    result = number(value)
    if not math.isfinite(result):
        raise ValueError(f"{value} is not finite")
    return Finite(result)


def _text(value: object) -> str:
    if not isinstance(value, (str, int, float)):
        raise TypeError(f"{value!r} is no text")
    return str(value)


def _one_of(*allowed: object) -> Callable[[object], object]:
    def read(value: object) -> object:
        if value not in allowed:
            raise ValueError(f"{value!r} is none of {allowed}")
        return value

    return read


def _listed(value: object) -> list[object]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{value!r} is no list")
    return list(value)


def _named(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no object")
    return value


def _tuple_of(*hints: object) -> Callable[[object], object]:
    if len(hints) == 2 and hints[1] is ...:
        if isinstance(hints[0], type) and issubclass(hints[0], Tabled):
            return _table_of(hints[0])
        read = _reader(hints[0])
        return lambda value: tuple(map(read, _listed(value)))
    readers = [_reader(hint) for hint in hints]
    return lambda value: tuple(read(item) for read, item in zip(readers, _listed(value), strict=True))


def _mapping_of(read: Callable[[object], object]) -> Callable[[object], object]:
    return lambda value: {str(key): read(item) for key, item in _named(value).items()}


def _table_of(cls: type[Tabled]) -> Callable[[object], object]:
    """What reads the columns of some rows."""
    hints = typing.get_type_hints(cls)
    readers = [_column_of(hints[name]) for name in names(cls)]

    def read(value: object) -> object:
        given = _listed(value)
        if not given:
            return ()
        columns = [reader(column) for reader, column in zip(readers, given, strict=True)]
        if len(set(map(len, columns))) > 1:
            raise ValueError("columns of different lengths")
        return tuple(map(cls, *columns))

    return read


def _column_of(hint: object) -> Callable[[object], list[object]]:
    read = _reader(hint)
    simple = set(typing.get_args(hint)) if isinstance(hint, types.UnionType) else {hint}

    def column(value: object) -> list[object]:
        values = _listed(value)
        # Of half a million values, as of a page of long rows, nearly all are what they should be.
        return values if simple.issuperset(map(type, values)) else list(map(read, values))

    return column


def _any_of(*hints: object) -> Callable[[object], object]:
    """What reads a value of the first of the types that it can be read as."""
    if all(map(dataclasses.is_dataclass, hints)):
        return _told_apart(*hints)
    readers = [_reader(hint) for hint in hints if hint is not types.NoneType]
    as_they_are = {hint for hint in hints if hint in (str, float, bool)}

    def read(value: object) -> object:
        if type(value) in as_they_are:
            return value
        for reader in readers[:-1]:
            try:
                return reader(value)
            except UNREADABLE:
                pass
        return readers[-1](value)

    return (lambda value: None if value is None else read(value)) if types.NoneType in hints else read


def _told_apart(*hints: object) -> Callable[[object], object]:
    """What reads a record as the class that has its fields, but for those that need not be there."""
    spare = {one.name for hint in hints for one in dataclasses.fields(hint) if one.default is None}  # type: ignore[arg-type]  # they are dataclasses
    readers = {tuple(sorted(set(names(hint)) - spare)): _reader(hint) for hint in hints}

    def read(value: object) -> object:
        record = _named(value)
        return readers[tuple(sorted(record.keys() - spare))](record)

    return read


_SIMPLE: Final[Mapping[object, Callable[[object], object]]] = {
    float: number, Finite: finite, int: whole, bool: bool, str: _text, object: lambda value: value,
    types.NoneType: lambda value: None,
}  # fmt: skip


def _reader(hint: object) -> Callable[[object], object]:
    """What reads a value of this type."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _any_of(*parts)
    if origin is Literal:
        return _one_of(*parts)
    if origin is tuple:
        return _tuple_of(*parts)
    if origin is Mapping:
        return _mapping_of(_reader(parts[1]))
    assert isinstance(hint, type)
    assert dataclasses.is_dataclass(hint), f"no reader for {hint}"
    if issubclass(hint, Details):
        return lambda value: decode(hint, _named(value))
    return lambda value: _exact(hint, _named(value))


def _default(one: dataclasses.Field[Any]) -> Callable[[], object] | None:
    if one.default is not dataclasses.MISSING:
        return lambda: one.default
    return None if one.default_factory is dataclasses.MISSING else one.default_factory


def names(cls: object) -> tuple[str, ...]:
    """The fields of a dataclass."""
    return _names(cls)


# mypy takes the `__hash__` of a class's instances for its own, and so would refuse a class here.
@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(one.name for one in dataclasses.fields(cls))


def _fields(cls: object) -> tuple[_Field, ...]:
    return _fields_of(cls)


@cache
def _fields_of(cls: Any) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(cls)
    return tuple(
        _Field(
            one.name, _reader(hints[one.name]), _default(one), one.default is None,
            types.NoneType in typing.get_args(hints[one.name]),
        )
        for one in dataclasses.fields(cls)
        if one.name not in HEAD or not issubclass(cls, Details)
    )  # fmt: skip


HEAD: Final = ("rest", "seq", "t", "attempt")
"""Fields that are not read and written with the others."""


def decode(cls: type[D], record: Mapping[str, object], **head: object) -> D:
    """A record as what it is to be. Raises one of UNREADABLE."""
    given: dict[str, object] = dict(head)
    rest = dict(record)
    for one in _fields(cls):
        if one.name in rest:
            try:
                given[one.name] = one.read(rest[one.name])
                del rest[one.name]
            except UNREADABLE:
                if one.default is None:
                    raise
        elif one.default is None:
            if not one.nullable:
                raise KeyError(one.name)
            given[one.name] = None
    return cls(**given, rest=rest)


def _exact(cls: type[T], record: Mapping[str, object]) -> T:
    given = {one.name: one.read(record[one.name]) for one in _fields(cls) if one.default is None or one.name in record}
    if len(given) < len(record):
        raise ValueError(f"{cls.__name__} has no {next(name for name in record if name not in given)}")
    return cls(**given)


@cache
def reader(hint: object) -> Callable[[object], Any]:
    """What reads a value as that type. It raises one of UNREADABLE."""
    return _reader(hint)


def encode(details: Details) -> dict[str, Json]:
    """A record as JSON has it, except that floats are as they are: `text` sees to those that JSON cannot say."""
    record: dict[str, Json] = {
        one.name: encoded(value)
        for one in _fields(type(details))
        if (value := getattr(details, one.name)) is not None or not one.spare
    }
    for name, value in details.rest.items():
        found, known = encoded(value), record.get(name)
        record[name] = known | found if isinstance(known, dict) and isinstance(found, dict) else found
    return record


def record(value: object) -> dict[str, Json]:
    """A dataclass that is no `Details` as JSON has it, floats as they are."""
    return {name: encoded(getattr(value, name)) for name in names(type(value))}


_SCALARS: Final = frozenset((str, int, float, bool, types.NoneType))


def encoded(value: object) -> Any:
    """Whatever there is as JSON has it, floats as they are."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Mapping):
        plain = _SCALARS.issuperset(map(type, value.values()))
        return dict(value) if plain else {str(key): encoded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _list_of(value)
    if isinstance(value, Details):
        return encode(value)
    return record(value) if dataclasses.is_dataclass(value) else value


def _list_of(values: Sequence[object]) -> Any:
    if values and isinstance(values[0], Tabled):
        values = [[getattr(row, name) for row in values] for name in names(type(values[0]))]
    return list(values) if _SCALARS.issuperset(map(type, values)) else [encoded(item) for item in values]


def as_json(value: object) -> Any:
    """The value with every float as JSON can say it."""
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return value


# Made once: `json.dumps` with separators of its own makes an encoder a call.
_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def text(record: Mapping[str, object]) -> str:
    """A record as one line of JSON."""
    try:
        return _ENCODE(record)
    except ValueError:  # NaN or an infinity: seldom, and the look through it all takes longer than the rest
        return _ENCODE(as_json(record))
