"""Reading a log's new lines, many at once.

`workbench.contracts.events` says what counts as a line and as an event; this is the same reading without an object
a line, because a million points must not take long.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbench.contracts.events import number

LIMIT: Final = 8 << 20
"""Bytes read, and ingested in one transaction, at a time."""

_AT_ONCE: Final = 500
LARGEST: Final = 2**62

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines from one read. `offset` is where the next one starts, in bytes; `more` is whether to make it."""

    lines: list[bytes]
    offset: int
    more: bool

    def records(self) -> Iterator[Any]:
        """What JSON makes of each line: None where it makes nothing. `is_event` tells the rest.

        They are made some at a time: a large heap of new objects keeps Python's garbage collector busy for nothing.
        """
        for at in range(0, len(self.lines), _AT_ONCE):
            yield from _decoded(self.lines[at : at + _AT_ONCE])


def read(path: Path, offset: int, *, limit: int = LIMIT) -> Lines:
    """Events from byte `offset` on; a line without its line feed waits.

    A file that is missing, or cannot be read, is an empty one: one run's log must not hide every other run.
    """
    try:
        with path.open("rb") as log:
            log.seek(offset)
            block = log.read(limit)
            full = len(block) == limit
            if full and b"\n" not in block:
                block += log.readline()
    except OSError:
        return Lines([], offset, more=False)
    end = block.rfind(b"\n") + 1
    lines = [line for line in block[:end].split(b"\n") if line and not line.isspace()]
    return Lines(lines, offset + end, more=full and end > 0)


def _decoded(lines: list[bytes]) -> list[Any]:
    # One call for them all: as a JSON array, with the line feeds kept so that no string can span two lines.
    try:
        records = json.loads(b"[" + b",\n".join(lines) + b"]")
    except (ValueError, RecursionError):
        records = []
    return records if len(records) == len(lines) else [_one(line) for line in lines]


def _one(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def is_event(record: Any) -> bool:
    """Whether a line has what every event has. Numbers in strings are taken as `events.parse` takes them."""
    if not isinstance(record, dict):
        return False
    try:
        if type(record["seq"]) is int and type(record["t"]) is float and type(record["attempt"]) is int:
            return type(record["type"]) is str and math.isfinite(record["t"]) and 0 <= record["attempt"] < LARGEST
        record["seq"], record["attempt"] = whole(record["seq"]), whole(record.get("attempt", 1))
        record["t"], record["type"] = finite(record["t"]), str(record["type"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    return True


def whole(value: Any) -> int:
    """An integer that SQLite can hold. Raises TypeError, ValueError."""
    result = int(value)
    if not -LARGEST < result < LARGEST:
        raise ValueError(f"{value} is out of range")
    return result


def finite(value: Any) -> float:
    """A finite number. Raises TypeError, ValueError, OverflowError."""
    result = float(value)
    if not math.isfinite(result):
        raise ValueError(f"{value} is not finite")
    return result


def scalar(value: Any) -> float:
    """A logged number, NaN and infinities included. Raises ValueError for what is none."""
    try:
        return number(value)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"{value!r} is no number") from error
