"""The min/max pyramid: any zoom of a long series from a few hundred rows, no spike lost.

Level L holds the least and the greatest of every 16^L points, counted from the series' first; only whole blocks are
stored, so that the rows depend on the points alone, never on how they arrived. What is left over at either end of a
range is read from the level below, down to the points themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from workbench.registry.snapshots import SeriesView, restored

if TYPE_CHECKING:
    from workbench.registry.database import Connection

FAN: Final = 16
"""Points, or blocks, under one block. Views read at most FAN times as many rows as they have columns."""

_EVER: Final = 2**62


Block = tuple[int, int, int, Any, Any, Any, Any, Any, Any, int]
"""Consecutive points: first and last step; how many are not finite; step, value and time of the least finite value,
then of the greatest, None where there is none; how many points. A plain tuple, because a view reads thousands."""

_FIRST: Final = 0
_LAST: Final = 1
_ODD: Final = 2
_LOW: Final = 4
_HIGH: Final = 7
_SIZE: Final = 9


def extend(
    connection: Connection,
    series: tuple[int, int],
    before: int,
    steps: list[int],
    values: list[float | None],
    times: list[float],
) -> None:
    """Add the blocks that new points complete. `before` points precede them; the new ones are stored already."""
    pending = before % FAN
    if pending + len(steps) < FAN:
        return
    if pending:
        rows = connection.execute(
            "SELECT step, value, t FROM point WHERE run=? AND key=? AND step<? ORDER BY step DESC LIMIT ?",
            (*series, steps[0], pending),
        ).fetchall()[::-1]
        steps = [row[0] for row in rows] + steps
        values = [row[1] for row in rows] + values
        times = [row[2] for row in rows] + times
    blocks = _blocks_of_points(steps, values, times)
    level, before = 1, before // FAN
    while blocks:
        _store(connection, series, level, blocks)
        blocks = _next_level(connection, series, level, before, blocks)
        level, before = level + 1, before // FAN


def _blocks_of_points(steps: list[int], values: list[float | None], times: list[float]) -> list[Block]:
    whole = len(steps) - len(steps) % FAN
    if None in values:
        points = [_point(*point) for point in zip(steps, values, times, strict=True)]
        return [merged(points[at : at + FAN]) for at in range(0, whole, FAN)]
    blocks: list[Block] = []
    for at in range(0, whole, FAN):
        part: list[Any] = values[at : at + FAN]
        low, high = min(part), max(part)
        i, j = at + part.index(low), at + part.index(high)
        blocks.append((steps[at], steps[at + FAN - 1], 0, steps[i], low, times[i], steps[j], high, times[j], FAN))
    return blocks


def _point(step: int, value: float | None, t: float) -> Block:
    if value is None:
        return step, step, 1, None, None, None, None, None, None, 1
    return step, step, 0, step, value, t, step, value, t, 1


def _next_level(
    connection: Connection, series: tuple[int, int], level: int, before: int, blocks: list[Block]
) -> list[Block]:
    """The blocks of `level + 1` that new blocks of `level` complete, `before` of them being there already."""
    pending = before % FAN
    if pending + len(blocks) < FAN:
        return []
    if pending:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM pyramid WHERE run=? AND key=? AND level=? AND first<? ORDER BY first DESC LIMIT ?",
            (*series, level, blocks[0][_FIRST], pending),
        ).fetchall()[::-1]
        blocks = [(*row, FAN**level) for row in rows] + blocks
    whole = len(blocks) - len(blocks) % FAN
    return [merged(blocks[at : at + FAN]) for at in range(0, whole, FAN)]


_COLUMNS: Final = "first, last, odd, min_step, min, min_t, max_step, max, max_t"


def _store(connection: Connection, series: tuple[int, int], level: int, blocks: list[Block]) -> None:
    connection.executemany(
        f"INSERT INTO pyramid (run, key, level, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        [(*series, level, *block[:_SIZE]) for block in blocks],
    )


def merged(blocks: Sequence[Block]) -> Block:
    """One block in place of consecutive ones. Of equal extremes the first counts."""
    head = blocks[0][_FIRST], blocks[-1][_LAST], sum([block[_ODD] for block in blocks])
    size = sum([block[_SIZE] for block in blocks])
    finite = blocks if head[2] == 0 else [block for block in blocks if block[_LOW] is not None]
    if not finite:
        return *head, None, None, None, None, None, None, size
    lows: list[Any] = [block[_LOW] for block in finite]
    highs: list[Any] = [block[_HIGH] for block in finite]
    low, high = finite[lows.index(min(lows))], finite[highs.index(max(highs))]
    return *head, low[3], low[4], low[5], high[6], high[7], high[8], size


def cover(connection: Connection, series: tuple[int, int], low: int, high: int, columns: int) -> list[Block]:
    """The range as consecutive blocks, in step order: at least `columns` of them, or every point as its own."""
    level = 0
    while _count(connection, series, level + 1, low, high) >= columns:
        level += 1
    # Going up stops at the first level that is too coarse: each holds a sixteenth of the one below.
    return _gather(connection, series, level, low, high)


def _count(connection: Connection, series: tuple[int, int], level: int, low: int, high: int) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pyramid WHERE run=? AND key=? AND level=? AND first BETWEEN ? AND ?",
        (*series, level, low, high),
    ).fetchone()
    return int(row[0])


def _gather(connection: Connection, series: tuple[int, int], level: int, low: int, high: int) -> list[Block]:
    if low > high:
        return []
    if level == 0:
        return connection.execute(
            "SELECT step, step, flag<>0, iif(flag, NULL, step), value, iif(flag, NULL, t), iif(flag, NULL, step), "
            "value, iif(flag, NULL, t), 1 FROM point WHERE run=? AND key=? AND step BETWEEN ? AND ? ORDER BY step",
            (*series, low, high),
        ).fetchall()
    blocks: list[Block] = connection.execute(
        f"SELECT {_COLUMNS}, ? FROM pyramid WHERE run=? AND key=? AND level=? AND first BETWEEN ? AND ? ORDER BY first",
        (FAN**level, *series, level, low, high),
    ).fetchall()
    if blocks and blocks[-1][_LAST] > high:
        blocks.pop()
    if not blocks:
        return _gather(connection, series, level - 1, low, high)
    return [
        *_gather(connection, series, level - 1, low, blocks[0][_FIRST] - 1),
        *blocks,
        *_gather(connection, series, level - 1, blocks[-1][_LAST] + 1, high),
    ]


def view(
    connection: Connection, series: tuple[int, int], low: int | None, high: int | None, columns: int
) -> SeriesView:
    """The points of steps `low` … `high` (both included, None: to the end) as a chart of `columns` draws them."""
    low, high = -_EVER if low is None else low, _EVER if high is None else high
    columns = max(columns, 2)
    blocks = cover(connection, series, low, high, columns)
    drawn = _drawn(connection, series, blocks, columns)
    odd = sum([block[_ODD] for block in blocks])
    return SeriesView(
        points=[(step, value) for step, value, _ in drawn],
        times=[t for _, _, t in drawn],
        total=sum([block[_SIZE] for block in blocks]),
        nonfinite=_nonfinite(connection, series, blocks, odd, columns) if odd else [],
        nonfinite_total=odd,
    )


Drawn = tuple[int, float, float]


def _drawn(connection: Connection, series: tuple[int, int], blocks: list[Block], columns: int) -> list[Drawn]:
    if len(blocks) <= 2 * columns and all(block[_SIZE] == 1 for block in blocks):
        return [drawn for block in blocks for drawn in _extremes(block)[:1]]
    # One column is kept for the first and the last point, so that the line reaches both ends.
    buckets = columns - 1
    drawn: list[Drawn] = _ends(connection, series, (blocks[0][_FIRST], blocks[-1][_LAST]))
    for column in range(buckets):
        part = blocks[column * len(blocks) // buckets : (column + 1) * len(blocks) // buckets]
        if part:
            drawn += _extremes(merged(part))
    return sorted(set(drawn))


def _extremes(block: Block) -> list[Drawn]:
    _, _, _, low_step, low, low_t, high_step, high, high_t, _ = block
    return [] if low is None else [(low_step, low, low_t), (high_step, high, high_t)]


def _ends(connection: Connection, series: tuple[int, int], steps: tuple[int, int]) -> list[Drawn]:
    rows = connection.execute(
        "SELECT step, value, t FROM point WHERE run=? AND key=? AND step IN (?, ?)", (*series, *steps)
    )
    return [row for row in rows if row[1] is not None]


def _nonfinite(
    connection: Connection, series: tuple[int, int], blocks: list[Block], odd: int, columns: int
) -> list[tuple[int, float]]:
    """NaN and infinities of the range: every one where they are few, else the first in each column of steps."""
    low, high = blocks[0][_FIRST], blocks[-1][_LAST]
    query = "SELECT step, flag FROM point WHERE run=? AND key=? AND step BETWEEN ? AND ? AND flag<>0 ORDER BY step"
    if odd <= 2 * columns:
        rows = connection.execute(query, (*series, low, high)).fetchall()
    else:
        width = max(1, (high - low + 1) // columns)
        starts = range(low, high + 1, width)
        rows = [
            row
            for start in starts
            for row in connection.execute(f"{query} LIMIT 1", (*series, start, min(start + width - 1, high)))
        ]
    return [(step, restored(None, flag)) for step, flag in rows]
