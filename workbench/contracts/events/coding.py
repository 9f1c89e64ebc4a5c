"""Typed values from JSON and back: how a class is read from a record, and written to one.

The fields of a class say what is asked of a record:

- a field without a default must be there and must be what its type says, or the record is refused; one that may be
  None may be missing;
- a field with a default is left at it where it is missing or cannot be read. Where the default is None, None is not
  written.

What a class has no field for, as a newer version may write, and what could not be read, is kept in `rest` and written
again: nothing is lost on the way through.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """A record. `rest` holds what this version has no field for or cannot read, as it came."""

    rest: Mapping[str, object] = field(default_factory=dict)


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
        read = _reader(hints[0])
        return lambda value: tuple(map(read, _listed(value)))
    readers = [_reader(hint) for hint in hints]
    return lambda value: tuple(read(item) for read, item in zip(readers, _listed(value), strict=True))


def _mapping_of(read: Callable[[object], object]) -> Callable[[object], object]:
    return lambda value: {str(key): read(item) for key, item in _named(value).items()}


def _any_of(*hints: object) -> Callable[[object], object]:
    """What reads a value of the first of the types that it can be read as."""
    readers = [_reader(hint) for hint in hints if hint is not types.NoneType]

    def read(value: object) -> object:
        for reader in readers[:-1]:
            try:
                return reader(value)
            except UNREADABLE:
                pass
        return readers[-1](value)

    return (lambda value: None if value is None else read(value)) if types.NoneType in hints else read


_SIMPLE: Final[Mapping[object, Callable[[object], object]]] = {
    float: number, Finite: finite, int: whole, bool: bool, str: _text, object: lambda value: value,
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
    assert issubclass(hint, Details), f"no reader for {hint}"
    return lambda value: decode(hint, _named(value))


def _default(one: dataclasses.Field[Any]) -> Callable[[], object] | None:
    if one.default is not dataclasses.MISSING:
        return lambda: one.default
    return None if one.default_factory is dataclasses.MISSING else one.default_factory


@cache
def _fields(cls: type[Details]) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(cls)
    return tuple(
        _Field(
            one.name, _reader(hints[one.name]), _default(one), one.default is None,
            types.NoneType in typing.get_args(hints[one.name]),
        )
        for one in dataclasses.fields(cls)
        if one.name not in HEAD
    )  # fmt: skip


HEAD: Final = ("rest", "seq", "t", "attempt")
"""Fields that are not read and written with the others."""


def decode(cls: type[D], record: Mapping[str, object], **head: object) -> D:
    """A record as what it is to be. Raises one of UNREADABLE."""
    given: dict[str, object] = dict(head)
    rest = dict(record)
    for one in _fields(cls):  # type: ignore[arg-type]  # mypy takes the hash of objects for that of their class
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


def encode(details: Details) -> dict[str, Json]:
    """A record as JSON has it, except that floats are as they are: `text` sees to those that JSON cannot say."""
    record: dict[str, Json] = {
        one.name: _encoded(value)
        for one in _fields(type(details))  # type: ignore[arg-type]  # as above
        if (value := getattr(details, one.name)) is not None or not one.spare
    }
    for name, value in details.rest.items():
        found, known = _encoded(value), record.get(name)
        record[name] = known | found if isinstance(known, dict) and isinstance(found, dict) else found
    return record


def _encoded(value: object) -> Any:
    if isinstance(value, Details):
        return encode(value)
    if isinstance(value, Mapping):
        return {str(key): _encoded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encoded(item) for item in value]
    return value


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
