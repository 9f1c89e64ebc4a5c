"""Questions to the registry, as SQL. Each takes a connection and answers with what `rows` defines."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.contracts.events import Event, WarningEvent, stored
from workbench.core.errors import AmbiguousRun, UnknownRun
from workbench.core.rundir import RunDir
from workbench.registry.snapshots import Attempt, RunRow, Summary, restored
from workbench.registry.spark import Spark

if TYPE_CHECKING:
    from workbench.registry.database import Connection
    from workbench.registry.query import Filter

_MANY: Final = 500
"""Runs asked for in one statement."""

_ROW: Final = (
    "pk, run.id, name, state, task, model, data, created, started, finished, updated, reason, tags, notes, deleted, "
    "digest, step, total_steps, epoch, attempt, host, best_key, recipe"
)
_ORDER: Final = "created DESC, id DESC"


def page(
    connection: Connection, wanted: Filter, *, limit: int | None, offset: int, include_deleted: bool
) -> list[RunRow]:
    """The runs that a filter leaves, in its order, with their metrics."""
    where, order = _where(wanted, include_deleted), _ORDER
    if wanted.order:
        # The index by age is of no use here, and to follow it would fetch every run out of its place: `+` rules it out.
        where, order = where.replace("deleted=0", "+deleted=0", 1), f"{wanted.order}, {_ORDER}"
    picked = connection.execute(
        f"SELECT pk FROM run WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
        (*wanted.params, *wanted.order_params, -1 if limit is None else limit, offset),
    ).fetchall()
    return _rows(connection, [pk for (pk,) in picked])


def count(connection: Connection, wanted: Filter, *, include_deleted: bool) -> int:
    found = connection.execute(
        f"SELECT count(*) FROM run WHERE {_where(wanted, include_deleted)}", wanted.params
    ).fetchone()
    return int(found[0])


def _where(wanted: Filter, include_deleted: bool) -> str:
    return f"({wanted.sql})" if include_deleted else f"deleted=0 AND ({wanted.sql})"


def _rows(connection: Connection, pks: Sequence[int]) -> list[RunRow]:
    metrics = _summaries(connection, pks)
    found: dict[int, RunRow] = {}
    for part in _parts(pks):
        for pk, *values in connection.execute(
            f"SELECT {_ROW} FROM run JOIN document ON run=pk WHERE pk IN ({_marks(part)})", part
        ):
            found[pk] = _run_row(values, metrics.get(pk, {}))
    return [found[pk] for pk in pks if pk in found]


def _run_row(values: list[Any], metrics: dict[str, Summary]) -> RunRow:
    values[11] = tuple(json.loads(values[11]))
    values[13] = bool(values[13])
    values.append(metrics)
    return RunRow(*values)


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[at : at + _MANY] for at in range(0, len(values), _MANY))


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _summaries(connection: Connection, pks: Sequence[int]) -> dict[int, dict[str, Summary]]:
    names = dict(connection.execute("SELECT id, name FROM key").fetchall())
    found: dict[int, dict[str, Summary]] = {}
    for part in _parts(pks):
        rows = connection.execute(
            "SELECT run, key, first, first_flag, last, last_flag, min, min_step, max, max_step, direction, "
            "last_step, count, odd, summary.chosen, chosen_flag, run.chosen "
            f"FROM summary JOIN run ON pk=run WHERE run IN ({_marks(part)})",
            part,
        )
        for run, key, *values in rows:
            found.setdefault(run, {})[names[key]] = _summary(*values)
    return {run: dict(sorted(metrics.items())) for run, metrics in found.items()}


def _summary(
    first: float | None, first_flag: int, last: float | None, last_flag: int,
    low: float | None, low_step: int | None, high: float | None, high_step: int | None,
    direction: int, last_step: int, count: int, odd: int,
    chosen: float | None, chosen_flag: int | None, chosen_step: int | None,
) -> Summary:  # fmt: skip
    best, where = {1: (high, high_step), -1: (low, low_step)}.get(direction, (None, None))
    if chosen_flag is not None:
        best, where = restored(chosen, chosen_flag), chosen_step
    return Summary(
        first=restored(first, first_flag),
        last=restored(last, last_flag),
        min=low,
        max=high,
        best=best,
        step=last_step if where is None else where,
        count=count,
        nonfinite=odd,
        last_step=last_step,
    )


def numbers(connection: Connection, run_ids: Sequence[str]) -> dict[str, int]:
    """The database's numbers of runs; those it does not know are left out."""
    found: dict[str, int] = {}
    for part in _parts(list(run_ids)):
        found |= dict(connection.execute(f"SELECT id, pk FROM run WHERE id IN ({_marks(part)})", part).fetchall())
    return found


def number(connection: Connection, run_id: str) -> int:
    """The database's number of one run. Raises UnknownRun."""
    found = connection.execute("SELECT pk FROM run WHERE id=?", (run_id,)).fetchone()
    if found is None:
        raise _unknown(run_id)
    return int(found[0])


def series(connection: Connection, run_id: str, key: str) -> tuple[int, int]:
    """The numbers of a run and a key, -1 for a key that nobody has logged. Raises UnknownRun."""
    found = connection.execute("SELECT id FROM key WHERE name=?", (key,)).fetchone()
    return number(connection, run_id), found[0] if found else -1


def _unknown(handle: str) -> UnknownRun:
    return UnknownRun(f"no run is called {handle!r}", hint="`workbench ls` lists them")


def find(connection: Connection, handle: str, *, include_deleted: bool) -> RunRow:
    """By id, unique prefix of one, exact unique name, or "last". Raises UnknownRun, AmbiguousRun."""
    shown = "1" if include_deleted else "deleted=0"
    if handle == "last":
        found = connection.execute(f"SELECT pk FROM run WHERE {shown} ORDER BY {_ORDER} LIMIT 1").fetchall()
        if not found:
            raise UnknownRun("there is no run yet", hint="start one with `workbench run RECIPE`")
        return _rows(connection, [found[0][0]])[0]
    exact = f"SELECT pk, id FROM run WHERE id=? AND {shown}"
    prefix = f"SELECT pk, id FROM run WHERE id>=?1 AND id<?1||char(1114111) AND {shown} ORDER BY id LIMIT 6"
    named = f"SELECT pk, id FROM run WHERE name=? AND {shown} ORDER BY {_ORDER} LIMIT 6"
    several: list[tuple[int, str]] = []
    for question in (exact, prefix, named) if handle else ():
        found = connection.execute(question, (handle,)).fetchall()
        if len(found) == 1:
            return _rows(connection, [found[0][0]])[0]
        several = several or found
    if several:
        raise _ambiguous(handle, [run_id for _, run_id in several])
    raise _unknown(handle)


def _ambiguous(handle: str, ids: list[str]) -> AmbiguousRun:
    listed = ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
    return AmbiguousRun(f"{handle!r} fits several runs", hint=f"say which: {listed}")


def keys(connection: Connection, run_id: str) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM summary JOIN key ON key.id=summary.key WHERE run=? ORDER BY name",
        (number(connection, run_id),),
    )
    return [name for (name,) in rows]


def summaries(connection: Connection, run_ids: Sequence[str]) -> dict[str, dict[str, Summary]]:
    pks = numbers(connection, run_ids)
    found = _summaries(connection, list(pks.values()))
    return {run_id: found.get(pks[run_id], {}) for run_id in run_ids if run_id in pks}


def points(connection: Connection, run_id: str, key: str, since: int | None) -> list[tuple[int, float, float]]:
    """Every point with a step greater than `since`, in step order."""
    rows = connection.execute(
        "SELECT step, value, t, flag FROM point WHERE run=? AND key=? AND step>? ORDER BY step",
        (*series(connection, run_id, key), -(2**62) if since is None else since),
    )
    return [(step, value if not flag else restored(None, flag), t) for step, value, t, flag in rows]


def sparklines(connection: Connection, run_ids: Sequence[str], key: str, width: int) -> dict[str, list[float]]:
    pks = numbers(connection, run_ids)
    found: dict[int, list[float]] = {}
    for part in _parts(list(pks.values())):
        rows = connection.execute(
            "SELECT run, width, partial, sums FROM spark WHERE key=(SELECT id FROM key WHERE name=?) "
            f"AND run IN ({_marks(part)})",
            (key, *part),
        )
        for run, *spark in rows:
            found[run] = _narrowed(Spark(*spark).means(), width)
    return {run_id: found.get(pk, []) for run_id, pk in pks.items()}


def _narrowed(values: list[float], width: int) -> list[float]:
    """At most `width` values, each the mean of its share."""
    if len(values) <= width:
        return values
    cuts = [at * len(values) // width for at in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(cuts)]


def events(
    connection: Connection, run_id: str, types: Sequence[str], *, superseded: bool, newest: int | None = None
) -> list[Event]:
    """Stored events, all or the newest so many: in each log by its order, the logs laid side by side by time."""
    pk = number(connection, run_id)
    where = f"run=? AND type IN ({_marks(types)}) AND superseded<=?"
    rows = connection.execute(
        "SELECT log, seq, t, attempt, type, body FROM event WHERE id IN "
        f"(SELECT id FROM event WHERE {where} ORDER BY t DESC, id DESC LIMIT ?) ORDER BY log, seq, id",
        (pk, *types, int(superseded), -1 if newest is None else newest),
    ).fetchall()
    logs: dict[int, list[Event]] = {0: [], 1: [], 2: []}
    for log, seq, t, attempt, kind, body in rows:
        if (event := stored(kind, json.loads(body), seq=seq, t=t, attempt=attempt)) is not None:
            logs[log].append(event)
    found = list(heapq.merge(*logs.values(), key=lambda event: event.t))
    return found + _unread(connection, pk) if "warning" in types else found


def _unread(connection: Connection, pk: int) -> list[Event]:
    """A warning for each log that holds lines nobody can read."""
    names = [path.name for path in RunDir(Path()).logs]
    rows = connection.execute("SELECT log, unreadable, t FROM log WHERE run=? AND unreadable>0 ORDER BY log", (pk,))
    text = "lines of {} that could not be read and are left out: {}"
    return [
        WarningEvent(t=t or 0.0, attempt=0, code="unreadable-lines", text=text.format(names[log], lost), count=lost)
        for log, lost, t in rows
    ]


def attempts(connection: Connection, run_id: str) -> list[Attempt]:
    """Every launch, the first first."""
    pk = number(connection, run_id)
    current, now, why = connection.execute("SELECT attempt, state, reason FROM run WHERE pk=?", (pk,)).fetchone()
    rows = connection.execute(
        "SELECT number, coalesce(state, trainer_state), coalesce(started, seen), coalesce(finished, trainer_finished), "
        "CASE WHEN state IS NULL THEN trainer_reason ELSE reason END, "
        "CASE WHEN state IS NULL THEN trainer_exit_code ELSE exit_code END, signal, resume_step, host, pid "
        "FROM attempt WHERE run=? ORDER BY number",
        (pk,),
    )
    return [
        Attempt(
            number,
            state or (now if number == current else "lost"),
            started,
            finished,
            reason or (why if number == current else ""),
            *rest,
        )
        for number, state, started, finished, reason, *rest in rows
    ]
