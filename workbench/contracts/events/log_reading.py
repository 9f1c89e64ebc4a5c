"""Reading a log: whole, on from where it was left, its end only, or a million lines at once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from workbench.contracts.events.event import Event, StepValues, step_values
from workbench.contracts.events.parsing import event_of, parse
from workbench.contracts.events.training_events import CheckpointEvent

LIMIT: Final = 8 << 20
"""Bytes read at a time."""

_AT_ONCE: Final = 500


@dataclass(frozen=True)
class LogLines:
    """Whole lines from one read. `offset` is where the next one starts, in bytes; `more` is whether to make it."""

    lines: list[bytes]
    offset: int
    more: bool

    @cached_property
    def events(self) -> list[Event]:
        """What can be read of them."""
        return [event for line in self.lines if (event := parse(line))]

    @property
    def unreadable(self) -> int:
        return len(self.lines) - len(self.events)

    def entries(self) -> Iterator[StepValues | Event | None]:
        """Each line: the values of a step in its commonest shape, else its event; None where it is none.

        They are made some at a time: a large heap of new objects keeps Python's garbage collector busy for nothing.
        """
        for at in range(0, len(self.lines), _AT_ONCE):
            for record in _decoded(self.lines[at : at + _AT_ONCE]):
                yield step_values(record) or event_of(record)


def _decoded(lines: list[bytes]) -> list[object]:
    # One call for them all: as a JSON array, with the line feeds kept so that no string can span two lines.
    try:
        records: list[object] = json.loads(b"[" + b",\n".join(lines) + b"]")
    except (ValueError, RecursionError):
        records = []
    return records if len(records) == len(lines) else [_one(line) for line in lines]


def _one(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def read(path: Path, offset: int = 0, *, limit: int = LIMIT) -> LogLines:
    """Lines from byte `offset` on, about `limit` bytes of them; a line without its line feed waits for the next read.

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
        return LogLines([], offset, more=False)
    end = block.rfind(b"\n") + 1
    lines = [line for line in block[:end].split(b"\n") if line and not line.isspace()]
    return LogLines(lines, offset + end, more=full and end > 0)


def read_all(path: Path) -> Iterator[Event]:
    """Every readable event of a log, in order of writing."""
    found = read(path)
    yield from found.events
    while found.more:
        found = read(path, found.offset)
        yield from found.events


def read_last(path: Path, reach: int = 1 << 20) -> list[Event]:
    """The events in the last `reach` bytes of a log, in order of writing. A last line need not have ended."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - reach))
            lines = log.read().split(b"\n")
    except OSError:
        return []
    return [event for line in lines if (event := parse(line))]


_TIME: Final = re.compile(rb'"t":([0-9.]+),"attempt":([0-9]+),')


def times(path: Path, attempt: int) -> Iterator[tuple[float, float]]:
    """When each event of an attempt was written, and the seconds of the save that it tells of, else 0.

    Only the head of each line is looked at, so that a long log is read in a moment.
    """
    try:
        with path.open("rb") as log:
            for line in log:
                head = _TIME.search(line, 0, 120)
                if head is not None and int(head[2]) == attempt:
                    yield float(head[1]), _saving(line)
    except (OSError, ValueError):
        return


def _saving(line: bytes) -> float:
    event = parse(line) if b'"type":"checkpoint"' in line[:160] else None
    return (event.seconds or 0.0) if isinstance(event, CheckpointEvent) else 0.0
