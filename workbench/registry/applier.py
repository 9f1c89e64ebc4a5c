"""Events going in: what all logs have in common.

The three logs of a run write to different columns, so that the result does not depend on which was read first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from workbench.contracts.events import Event, StepValues, step_of, text
from workbench.metrics import catalog
from workbench.registry import points
from workbench.registry.keys import Keys

if TYPE_CHECKING:
    from workbench.registry.database import Connection


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

    def apply(self, entries: Iterable[StepValues | Event | None]) -> None:
        """Apply lines in order. One that is no event, or holds a scalar that is no number, is counted."""
        step = self.step
        for entry in entries:
            if isinstance(entry, tuple):
                step(entry)
                continue
            if entry is None or "scalars" in entry.rest:
                self.unreadable += 1
            if entry is not None:
                self.latest = max(self.latest, entry.t)
                self.one(entry)
        self.flush()
        self.save()

    def step(self, values: StepValues) -> None:
        """Apply a step in its commonest shape, of which a log may hold a million."""
        event = step_of(values)
        self.latest = max(self.latest, event.t)
        self.one(event)

    def one(self, event: Event) -> None:
        """Apply one event."""
        raise NotImplementedError

    def save(self) -> None:
        """Write what was gathered over the events."""

    def keep(self, event: Event, step: int | None = None) -> None:
        """Store the event whole."""
        self.connection.execute(
            "INSERT INTO event (run, type, log, seq, attempt, step, t, body) VALUES (?,?,?,?,?,?,?,?)",
            (
                self.run, storable(event.type), self.log, event.seq, event.attempt, step, event.t,
                storable(text(event.fields())),
            ),
        )  # fmt: skip

    def gather(self, step: int, t: float, attempt: int, scalars: Mapping[str, float]) -> None:
        """Put scalars with those of their series."""
        if attempt != self._points_attempt:
            self.flush()
            self._points_attempt = attempt
        for key, value in scalars.items():
            self.put(key, step, value, t)

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

    def note_stopping(self, event: Event) -> None:
        """Trainer and supervisor both say that the run is stopping: the earlier counts, whichever is read first."""
        number = event.attempt
        self.connection.execute("INSERT OR IGNORE INTO attempt (run, number) VALUES (?, ?)", (self.run, number))
        self.connection.execute(
            "UPDATE attempt SET stopping=min(coalesce(stopping, ?1), ?1) WHERE run=?2 AND number=?3",
            (event.t, self.run, number),
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


def optional_text(value: object) -> str | None:
    """A field that may be missing, as text."""
    return None if value is None else storable(str(value))
