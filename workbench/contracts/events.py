"""The event log: one JSON object a line, append only, one writer a file.

Every line is `{"v":1,"seq":n,"t":unix_seconds,"attempt":k,"type":…, …}`. What each type carries:

| type | log | fields |
|---|---|---|
| created | user | run, name, task, model, digest |
| queued | supervisor | reason |
| started | supervisor | pid, argv, host, resume_step |
| data | trainer | splits {name: {rows, dropped, truncated, labels}}, notes |
| plan | trainer | total_steps, steps_per_epoch, epochs, device, precision, parameters, trainable, new_weights, best … |
| step | trainer | step, epoch, tokens, scalars {key: number} |
| eval | trainer | step, epoch, split, scalars, undefined, intervals {name: [low, high]}, per_class, predictions … |
| checkpoint | trainer | step, path, bytes, seconds, best |
| system | supervisor | scalars |
| warning | trainer, supervisor | code, text, count |
| sample | trainer | step, prompt, text |
| stopping | supervisor, trainer | reason, step |
| resumed | trainer | step, differences |
| finished | trainer, supervisor | state, reason, exit_code, signal, traceback, peak_memory (bytes) |
| tag, untag, note, delete, restore | user | tag; text |

`finished` from the supervisor is the last word; the trainer's own stands where the supervisor was killed.
Scalars may be NaN or infinite. JSON has no such numbers, so they are written as the strings "NaN", "Infinity"
and "-Infinity", which any parser reads and none mistakes for a value.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

VERSION: Final = 1

EVENT_TYPES: Final = (
    "created", "queued", "started", "data", "plan", "step", "eval", "checkpoint", "system", "warning", "sample",
    "stopping", "resumed", "finished", "tag", "untag", "note", "delete", "restore",
)  # fmt: skip

State = Literal[
    "created", "queued", "running", "stopping", "completed", "stopped", "failed", "killed", "lost", "diverged"
]
END_STATES: Final[tuple[State, ...]] = ("completed", "stopped", "failed", "killed", "lost", "diverged")
WORKING_STATES: Final[tuple[State, ...]] = ("queued", "running", "stopping")
LIVE_STATES: Final[tuple[State, ...]] = ("created", *WORKING_STATES)

_FAR: Final = 1e15  # seconds: further off than any clock is
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a log. `t` is wall-clock seconds since 1970; order within a log is by `seq`."""

    seq: int
    t: float
    attempt: int
    type: str
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def scalars(self) -> dict[str, float]:
        """The numbers of a step, eval or system event, NaN and infinities restored."""
        return {key: number(value) for key, value in self.fields.get("scalars", {}).items()}


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


def _encodable(value: Any) -> Any:
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, Mapping):
        return {str(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(item) for item in value]
    return value


def parse(line: bytes) -> Event | None:
    """The event on one line, or None where the line is torn or is no event."""
    try:
        record = json.loads(line)
        return Event(
            seq=int(record.pop("seq")),
            t=_time(record.pop("t")),
            attempt=int(record.pop("attempt", 1)),
            type=str(record.pop("type")),
            fields={key: value for key, value in record.items() if key != "v"},
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _time(value: Any) -> float:
    seconds = float(value)
    if not abs(seconds) <= _FAR:
        raise ValueError(f"{value!r} is no time")
    return seconds


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one read of a log found: whole lines only. `offset` is where the next read starts, in bytes."""

    events: list[Event]
    offset: int
    unreadable: int


def read(path: Path, offset: int = 0, *, limit: int = 8 << 20) -> Chunk:
    """Events from byte `offset` on, at most about `limit` bytes of them.

    A missing file, or one that nobody may read or is a directory, is an empty one.

    The last line counts only once its line feed is there: what a writer is in the middle of is left for later.
    """
    try:
        with path.open("rb") as log:
            log.seek(offset)
            block = log.read(limit)
            if len(block) == limit and b"\n" not in block:
                block += log.readline()
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        return Chunk([], offset, 0)
    end = block.rfind(b"\n") + 1
    lines = [line for line in block[:end].split(b"\n") if line.strip()]
    parsed = [parse(line) for line in lines]
    events = [event for event in parsed if event is not None]
    return Chunk(events, offset + end, len(parsed) - len(events))


def read_all(path: Path) -> Iterator[Event]:
    """Every readable event of a log, in order of writing."""
    offset = 0
    while True:
        chunk = read(path, offset)
        yield from chunk.events
        if chunk.offset == offset:
            return
        offset = chunk.offset


class EventWriter:
    """The one writer of one log.

    Each event is a single `write` to a file opened for appending, so that a reader, and a crash, see whole lines
    or one torn tail. A writer that finds a torn tail starts on a fresh line and goes on after the last `seq`.
    """

    def __init__(self, path: Path, *, attempt: int = 1, clock: Callable[[], float] = time.time) -> None:
        self.path, self.attempt, self._clock = path, attempt, clock
        self._seq, self._torn = self._tail()
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _tail(self) -> tuple[int, bool]:
        """The last seq in the file, and whether its last line is torn."""
        try:
            with self.path.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                reach = 1 << 16
                while size:
                    log.seek(max(0, size - reach))
                    block = log.read()
                    whole = [event for line in block.split(b"\n") if (event := parse(line))]
                    if whole or reach >= size:
                        return (whole[-1].seq if whole else 0), not block.endswith(b"\n")
                    reach *= 4
        except FileNotFoundError:
            pass
        return 0, False

    def write(self, type: str, /, *, t: float | None = None, **fields: Any) -> None:
        """Append one event. `t` overrides the time, for a value measured earlier than it is written.

        Raises OSError when the disk is full; a part of the line that was written is closed off by the next write.
        """
        self._seq += 1
        head = {
            "v": VERSION,
            "seq": self._seq,
            "t": round(self._clock() if t is None else t, 6),
            "attempt": self.attempt,
            "type": type,
        }
        record = head | fields
        try:
            line = json.dumps(record, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        except ValueError:
            line = json.dumps(_encodable(record), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        # A lone surrogate (from a data set's text, say) cannot be encoded: it is replaced, the event is kept.
        self._append(line.encode("utf-8", "replace") + b"\n")

    def _append(self, data: bytes) -> None:
        # A short write is a full disk: the next line must not be glued to the torn one.
        if self._torn:
            data = b"\n" + data
        self._torn = True
        written = os.write(self._fd, data)
        if written < len(data):
            rest = os.write(self._fd, data[written:])
            if rest < len(data) - written:
                raise OSError(28, "No space left on device", str(self.path))
        self._torn = False

    def sync(self) -> None:
        """Force what was written onto the disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)
