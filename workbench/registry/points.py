"""Points going in: the narrow table, and beside it what spares readers the history (summary, spark, pyramid).

Everything here is a function of a series' points in step order, never of how they arrived in chunks: that is what
makes a rebuilt registry equal to one that grew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import isfinite
from operator import lt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workbench.registry import pyramid
from workbench.registry.snapshots import flag_of
from workbench.registry.spark import Spark

if TYPE_CHECKING:
    from workbench.registry.database import Connection

_BATCH: Final = 1 << 16


Series = tuple[int, int]
"""A run's and a key's numbers in the database."""


class Points:
    """Points of one series in the order they were logged; times are seconds since 1970."""

    __slots__ = ("steps", "times", "values")

    def __init__(self) -> None:
        # Three lists and not one of tuples: a hundred thousand of those keep the garbage collector busy for nothing.
        self.steps: list[int] = []
        self.values: list[float] = []
        self.times: list[float] = []


class _Columns(NamedTuple):
    """Points on their way in, column by column: a value that is not finite is None, `flags` None where all are."""

    steps: Sequence[int]
    values: Sequence[float | None]
    flags: Sequence[int] | None
    times: Sequence[float]

    @classmethod
    def of(cls, points: Points) -> _Columns:
        values = points.values
        if all(map(isfinite, values)):
            return cls(points.steps, values, None, points.times)
        kept = [value if isfinite(value) else None for value in values]
        return cls(points.steps, kept, [flag_of(value) for value in values], points.times)


@dataclass(slots=True)
class _Totals:
    """A `summary` row in the making."""

    count: int = 0
    odd: int = 0
    first: float | None = None
    first_flag: int = 0
    last: float | None = None
    last_flag: int = 0
    last_step: int = 0
    min: float | None = None
    min_step: int | None = None
    max: float | None = None
    max_step: int | None = None

    def add(self, new: _Columns) -> None:
        steps, values, flags, _ = new
        if not self.count:
            self.first, self.first_flag = values[0], flags[0] if flags else 0
        self.last, self.last_flag, self.last_step = values[-1], flags[-1] if flags else 0, steps[-1]
        self.count += len(steps)
        if flags:
            kept = [at for at, flag in enumerate(flags) if not flag]
            self.odd += len(steps) - len(kept)
            steps, values = [steps[at] for at in kept], [values[at] for at in kept]
        if values:
            self._extremes(steps, values)

    def _extremes(self, steps: Sequence[int], finite: Sequence[Any]) -> None:
        low, high = min(finite), max(finite)
        if self.min is None or low < self.min:
            self.min, self.min_step = low, steps[finite.index(low)]
        if self.max is None or high > self.max:
            self.max, self.max_step = high, steps[finite.index(high)]


def append(connection: Connection, series: Series, direction: int, attempt: int, points: Points) -> None:
    """Store points. A step that is there already takes the newer value; points may come late."""
    new = _Columns.of(points)
    totals, spark = _load(connection, series)
    late = (totals.count and new.steps[0] <= totals.last_step) or not all(map(lt, new.steps, new.steps[1:]))
    run, key = map(repeat, series)
    connection.executemany(
        f"INSERT {'OR REPLACE ' if late else ''}INTO point (run, key, step, value, flag, t, attempt) "
        "VALUES (?,?,?,?,?,?,?)",
        zip(run, key, new.steps, new.values, new.flags or repeat(0), new.times, repeat(attempt)),
    )
    if late:
        rebuild(connection, series, direction)
        return
    _grow(connection, series, totals, spark, new)
    _save(connection, series, direction, totals, spark)


def _grow(connection: Connection, series: Series, totals: _Totals, spark: Spark, new: _Columns) -> None:
    before = totals.count
    totals.add(new)
    spark.add([value for value in new.values if value is not None] if new.flags else new.values)
    pyramid.extend(connection, series, before, list(new.steps), list(new.values), list(new.times))


def rebuild(connection: Connection, series: Series, direction: int) -> None:
    """Make a series' summary, spark and pyramid anew from its points; remove them where no point is left."""
    forget_derived(connection, series)
    totals, spark = _Totals(), Spark()
    cursor = connection.execute("SELECT step, value, flag, t FROM point WHERE run=? AND key=? ORDER BY step", series)
    # All of it is read before the pyramid is written: a cursor must not walk a table group that changes under it.
    rows = cursor.fetchall()
    for at in range(0, len(rows), _BATCH):
        steps, values, flags, times = zip(*rows[at : at + _BATCH], strict=True)
        _grow(connection, series, totals, spark, _Columns(steps, values, flags if any(flags) else None, times))
    if totals.count:
        _save(connection, series, direction, totals, spark)


def forget_derived(connection: Connection, series: Series) -> None:
    run, key = series
    connection.execute("DELETE FROM pyramid WHERE run=? AND key=?", series)
    connection.execute("DELETE FROM spark WHERE run=? AND key=?", series)
    connection.execute("DELETE FROM summary WHERE key=? AND run=?", (key, run))


_TOTALS: Final = "count, odd, first, first_flag, last, last_flag, last_step, min, min_step, max, max_step"


def _load(connection: Connection, series: Series) -> tuple[_Totals, Spark]:
    run, key = series
    row = connection.execute(f"SELECT {_TOTALS} FROM summary WHERE key=? AND run=?", (key, run)).fetchone()
    if row is None:
        return _Totals(), Spark()
    width, partial, sums = connection.execute(
        "SELECT width, partial, sums FROM spark WHERE run=? AND key=?", series
    ).fetchone()
    return _Totals(*row), Spark(width, partial, sums)


def _save(connection: Connection, series: Series, direction: int, totals: _Totals, spark: Spark) -> None:
    run, key = series
    connection.execute(
        f"INSERT OR REPLACE INTO summary (key, run, direction, {_TOTALS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            key, run, direction, totals.count, totals.odd, totals.first, totals.first_flag, totals.last,
            totals.last_flag, totals.last_step, totals.min, totals.min_step, totals.max, totals.max_step,
        ),
    )  # fmt: skip
    connection.execute(
        "INSERT OR REPLACE INTO spark (run, key, width, partial, sums) VALUES (?,?,?,?,?)",
        (*series, spark.width, spark.partial, spark.sums.tobytes()),
    )


def best_step(connection: Connection, series: Series) -> int | None:
    """Where the best value of a series first was; None where no way is better, or nothing is finite."""
    run, key = series
    found = connection.execute(
        "SELECT CASE direction WHEN 1 THEN max_step WHEN -1 THEN min_step END FROM summary WHERE key=? AND run=?",
        (key, run),
    ).fetchone()
    return found[0] if found else None


def choose(connection: Connection, run: int, step: int | None) -> None:
    """Keep with the summary of each metric of evaluation what it was at that step, NaN where it had no value there."""
    connection.execute("UPDATE run SET chosen=? WHERE pk=?", (step, run))
    at = "FROM point p WHERE p.run=?1 AND p.key=summary.key AND p.step=?2"
    connection.execute(
        f"UPDATE summary SET chosen=(SELECT value {at}), chosen_flag=iif(?2 IS NULL, NULL, "
        f"coalesce((SELECT flag {at}), 1)) WHERE run=?1 AND key IN (SELECT id FROM key WHERE name LIKE 'eval/%')",
        (run, step),
    )


def drop(connection: Connection, series: Series, *, after: int, before_attempt: int) -> bool:
    """Remove the points past step `after` that older attempts logged. Returns whether there were any."""
    gone = connection.execute(
        "DELETE FROM point WHERE run=? AND key=? AND step>? AND attempt<?", (*series, after, before_attempt)
    )
    return gone.rowcount > 0


def forget(connection: Connection, run: int, keys: Iterable[int]) -> None:
    """Remove every series of a run."""
    connection.execute("DELETE FROM point WHERE run=?", (run,))
    for key in keys:
        forget_derived(connection, (run, key))
