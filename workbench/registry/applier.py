"""Events going in: what all logs have in common.

The three logs of a run write to different columns, so that the result does not depend on which was read first.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from workbench.metrics import catalog
from workbench.registry import points
from workbench.registry.keys import Keys
from workbench.registry.log_lines import Record, is_event, scalar

if TYPE_CHECKING:
    from workbench.registry.database import Connection

_HEAD: Final = frozenset({"v", "seq", "t", "attempt", "type"})
_BAD: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


class Applier:
    """Applies events of one log of one run within the caller's transaction.

    `unreadable` counts the lines that had to be left out, `newest` is the newest attempt whose points have begun,
    `latest` the latest time of any event.
    """

    log: int

    def __init__(self, connection: Connection, run: int, keys: Keys, newest: int) -> None:
        self.connection, self.run, self.keys, self.newest = connection, run, keys, newest
        self.unreadable = 0
        self.latest = 0.0
        self._points: defaultdict[str, points.Points] = defaultdict(points.Points)
        self._points_attempt = newest

    def apply(self, records: Iterable[Any]) -> None:
        """Apply lines in order. One that is no event, or lacks what its type asks for, is counted and left out."""
        for record in records:
            try:
                if self.at_once(record):
                    continue
                if not is_event(record):
                    raise ValueError("no event")
                self.latest = max(self.latest, record["t"])
                self.one(record)
            except _BAD:
                self.unreadable += 1
        self.flush()
        self.save()

    def at_once(self, record: Any) -> bool:
        """Apply the commonest of events in the commonest of shapes, if that is what this line is. Or change nothing."""
        return False

    def one(self, record: Record) -> None:
        """Apply one event. Raises any of the errors that a wrong type, a missing or an unusable field brings."""
        raise NotImplementedError

    def save(self) -> None:
        """Write what was gathered over the events."""

    def keep(self, record: Record, step: int | None = None) -> None:
        """Store the event whole."""
        body = {name: value for name, value in record.items() if name not in _HEAD}
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        self.connection.execute(
            "INSERT INTO event (run, type, log, seq, attempt, step, t, body) VALUES (?,?,?,?,?,?,?,?)",
            (
                self.run, storable(record["type"]), self.log, record["seq"], record["attempt"], step, record["t"],
                storable(text),
            ),
        )  # fmt: skip

    def gather(self, step: int, t: float, attempt: int, scalars: Any) -> None:
        """Put scalars with those of their series. Those that are no number are left out, and then ValueError raised."""
        if attempt != self._points_attempt:
            self.flush()
            self._points_attempt = attempt
        bad = False
        for key, value in scalars.items():
            try:
                number = scalar(value)
            except ValueError:
                bad = True
                continue
            self.put(key, step, number, t)
        if bad:
            raise ValueError("a scalar is no number")

    def put(self, key: str, step: int, value: float, t: float) -> None:
        """Put one point with those of its series."""
        series = self._points[key]
        series.steps.append(step)
        series.values.append(value)
        series.times.append(t)

    def flush(self) -> None:
        """Write the points that have gathered."""
        gathered, self._points = self._points, defaultdict(points.Points)
        for name, new in gathered.items():
            key = storable(name)
            series = (self.run, self.keys.id(key))
            points.append(self.connection, series, self.direction(key), self._points_attempt, new)

    def direction(self, key: str) -> int:
        """Which way of a series is better, as `sign` says it."""
        return sign(catalog.direction(key))

    def set_attempt(self, number: int, **values: Any) -> None:
        """Set columns of an attempt's row, made if it is not there."""
        self.connection.execute("INSERT OR IGNORE INTO attempt (run, number) VALUES (?, ?)", (self.run, number))
        names = ", ".join(f"{name}=?" for name in values)
        self.connection.execute(
            f"UPDATE attempt SET {names} WHERE run=? AND number=?", (*values.values(), self.run, number)
        )

    def note_stopping(self, record: Record) -> None:
        """Trainer and supervisor both say that the run is stopping: the earlier counts, whichever is read first."""
        number = record["attempt"]
        self.connection.execute("INSERT OR IGNORE INTO attempt (run, number) VALUES (?, ?)", (self.run, number))
        self.connection.execute(
            "UPDATE attempt SET stopping=min(coalesce(stopping, ?1), ?1) WHERE run=?2 AND number=?3",
            (record["t"], self.run, number),
        )


def sign(direction: object) -> int:
    """A direction as it is stored: 1 where more is better, -1 where less is, 0 where that is not known."""
    return {"max": 1, "min": -1}.get(str(direction), 0)


def storable(text: str) -> str:
    """A lone surrogate, which a log may hold escaped, cannot be stored as UTF-8: it is replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def optional_text(value: Any) -> str | None:
    """A field that may be missing, as text."""
    return None if value is None else storable(str(value))
