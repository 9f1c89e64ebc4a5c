"""Runs × metrics: the best of each column marked, differences from the current run beside the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from textual.message import Message

from workbench.core.text import cells, clean, cut, pad
from workbench.display.spans import Line, Span, StyleName
from workbench.metrics import directions
from workbench.tui.modes.metrics.confusion_matrix import Window
from workbench.tui.widgets.drawing import Drawing

Direction = Literal["max", "min"]
_ARROWS: Mapping[str | None, str] = {"max": " ↑", "min": " ↓", None: ""}


def direction_of(key: str) -> Direction | None:
    """Which way is better for a metric of this name, where that is known: `eval/loss` → min."""
    known: dict[int, Direction] = {directions.UP: "max", directions.DOWN: "min"}
    return known.get(directions.direction(key))


@dataclass(frozen=True)
class MetricColumn:
    """A metric of a split. `title` is what stands above the column."""

    key: str
    title: str
    direction: Direction | None = None

    @classmethod
    def named(cls, key: str) -> MetricColumn:
        part, _, name = key.rpartition("/")
        words = name.replace("_", " ")
        return cls(key, words if part in {"eval", ""} else f"{part} {words}", direction_of(key))


@dataclass(frozen=True)
class MetricRow:
    """A run and its numbers, by metric key. A key it has not is left out."""

    run_id: str
    name: str
    state: str
    values: Mapping[str, float] = field(default_factory=dict)
    marked: bool = False
    current: bool = False


def figure(value: float | None) -> str:
    """A metric in at most eight characters."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        return f"{value:.2e}"
    return f"{value:.4f}" if size < 100 else f"{value:.1f}"


def difference(value: float | None, other: float | None) -> str:
    """`value - other`, signed; nothing where either is missing or not finite."""
    if value is None or other is None or not (math.isfinite(value) and math.isfinite(other)):
        return ""
    text = figure(value - other)
    return text if text.startswith("-") else f"+{text}"


def best_of(column: MetricColumn, rows: Sequence[MetricRow]) -> float | None:
    """The best finite value of the column; None where the direction is unknown or there is nothing to compare."""
    values = [row.values[column.key] for row in rows if math.isfinite(row.values.get(column.key, math.nan))]
    if column.direction is None or len(values) < 2:
        return None
    return max(values) if column.direction == "max" else min(values)


_FIGURE = 9
_DIFFERENCE = 9


def metric_lines(
    rows: Sequence[MetricRow],
    columns: Sequence[MetricColumn],
    cursor: tuple[int, int],
    width: int,
    height: int,
    first: tuple[int, int] = (0, 0),
) -> tuple[list[Line], tuple[int, int]]:
    """The table around the cursor (row, first column wanted), and the row and column that it starts with.

    `*` marks the best of a column, `▸` the current run, `+` a marked one.
    """
    name = max(8, min(max((cells(clean(row.name)) for row in rows), default=8), width // 3, 32)) + 2
    widest = max((cells(clean(column.title)) for column in columns), default=0)
    size = _FIGURE + 1 + _DIFFERENCE if len(rows) > 1 else max(_FIGURE + 3, min(widest + 4, 20))
    down = Window.around(cursor[0], height - 1, len(rows), first[0])
    across = Window.around(cursor[1], (width - name) // size, len(columns), first[1])
    shown = [columns[i] for i in across.indices] if columns else []
    base = next((row for row in rows if row.current), None)
    lines: list[Line] = [_heads(shown, name, size, down, across, width)]
    lines += [_line(rows[i], rows, shown, base, name, size, i == cursor[0]) for i in down.indices if rows]
    return lines, (down.first, across.first)


def _heads(columns: Sequence[MetricColumn], name: int, size: int, down: Window, across: Window, width: int) -> Line:
    title = "  run" if down.whole else f"  run {down}"
    line = pad(title, name) + "".join(_head(column, size) for column in columns)
    more = "" if across.whole else " →" if across.first + across.count < across.total else " ←"
    return (Span(pad(line, width - cells(more)) + more, "head"),)


def _head(column: MetricColumn, size: int) -> str:
    """Flush with the numbers where it fits above them, else over the differences as well."""
    text = cut(clean(column.title), size - 3) + _ARROWS[column.direction]
    return pad(pad(text, _FIGURE + 1, right=True) if cells(text) <= _FIGURE + 1 else f" {text}", size)


def _line(
    row: MetricRow,
    rows: Sequence[MetricRow],
    columns: Sequence[MetricColumn],
    base: MetricRow | None,
    name: int,
    size: int,
    cursor: bool,
) -> Line:
    mark = "▸ " if row.current else "+ " if row.marked else "  "
    spans = [Span(mark + pad(clean(row.name), name - 2), cursor=cursor)]
    for column in columns:
        spans += _figures(row, column, best_of(column, rows), base, size)
    return tuple(spans)


def _figures(
    row: MetricRow, column: MetricColumn, best: float | None, base: MetricRow | None, size: int
) -> tuple[Span, Span]:
    value = row.values.get(column.key)
    wins = best is not None and value == best
    number = Span(pad(figure(value) + ("*" if wins else " "), _FIGURE + 1, right=True), "best" if wins else "")
    delta = "" if base is None or row.current else difference(value, base.values.get(column.key))
    return number, Span(pad(delta, size - _FIGURE - 1), _tone(delta, column.direction))


def _tone(delta: str, direction: Direction | None) -> StyleName:
    if not delta or direction is None or not delta.strip("+-0."):
        return "muted"
    return "good" if delta.startswith("+") == (direction == "max") else "bad"


class MetricTable(Drawing, can_focus=True):
    """The table with a cursor over its runs; enter makes the run under it the current one."""

    @dataclass
    class Chosen(Message):
        """Enter was pressed on a run."""

        run_id: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: Sequence[MetricRow] = ()
        self.columns: Sequence[MetricColumn] = ()
        self.cursor = (0, 0)
        self._first = (0, 0)

    def show(self, rows: Sequence[MetricRow], columns: Sequence[MetricColumn]) -> None:
        """Other rows. The cursor stays on its run where that is still there."""
        under = self.rows[self.cursor[0]].run_id if self.rows else None
        self.rows, self.columns = rows, columns
        place = next((i for i, row in enumerate(rows) if row.run_id == under), 0)
        self.cursor = (place, min(self.cursor[1], max(0, len(columns) - 1)))
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        drawn, self._first = metric_lines(self.rows, self.columns, self.cursor, width, height, self._first)
        return drawn

    def move(self, rows: int, columns: int) -> None:
        row, column = self.cursor
        self.cursor = (
            min(max(row + rows, 0), max(0, len(self.rows) - 1)),
            min(max(column + columns, 0), max(0, len(self.columns) - 1)),
        )
        self.update_lines()

    def open(self) -> None:
        if self.rows:
            self.post_message(self.Chosen(self.rows[self.cursor[0]].run_id))
