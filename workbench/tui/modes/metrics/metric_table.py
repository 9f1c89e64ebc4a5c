"""Runs × metrics: the best of each column marked, differences from the current run beside the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workbench.core.text import cells, clean, cut, pad
from workbench.display.figures import difference, figure
from workbench.display.run_labels import fitted_label
from workbench.display.spans import Line, StyleName, line
from workbench.metrics import catalog
from workbench.metrics.catalog import Direction
from workbench.tui.widgets.table import Column, Row, TableSource, TableWindow, VirtualTable

_ARROWS: Mapping[str | None, str] = {"max": " ↑", "min": " ↓", None: ""}


@dataclass(frozen=True)
class MetricColumn:
    """A metric of a split. `title` is what stands above the column."""

    key: str
    title: str
    direction: Direction | None = None

    @classmethod
    def named(cls, key: str) -> MetricColumn:
        part, title = key.rpartition("/")[0], catalog.title(key)
        return cls(key, title if part in {"eval", ""} else f"{part} {title}", catalog.direction(key))


@dataclass(frozen=True)
class MetricRow:
    """A run and its numbers, by metric key. A key it has not is left out."""

    run_id: str
    name: str
    state: str
    values: Mapping[str, float] = field(default_factory=dict)
    marked: bool = False
    current: bool = False
    apart: str = ""  # what differs from the others of its name
    evaluated_on: Mapping[str, str] = field(default_factory=dict)  # what tells the rows apart, by eval or test

    def rows_of(self, column: MetricColumn) -> str | None:
        """What tells the rows apart that a metric is of; None where that is not known."""
        return self.evaluated_on.get(column.key.partition("/")[0])


def best_of(column: MetricColumn, rows: Sequence[MetricRow]) -> float | None:
    """The best finite value of the column; None where the direction is unknown or there is nothing to compare.

    Only runs on the same rows are to be compared.
    """
    values = [value for row in rows if math.isfinite(value := row.values.get(column.key, math.nan))]
    return catalog.best_value(column.key, values) if len(values) > 1 else None


_FIGURE = 10  # cells of a figure with its mark; a difference has as many less one


class MetricRows(TableSource):
    """Runs by as many metrics as fit, from the one that is `wanted` on.

    `*` marks the best of a metric among the runs on the same rows, `▸` the current run, `+` a marked one, `≠` one that
    was evaluated on other rows than the current one: between those there are no differences.
    """

    lead = 2

    def __init__(self, rows: Sequence[MetricRow] = (), metrics: Sequence[MetricColumn] = (), wanted: int = 0) -> None:
        self.rows, self.metrics = rows, metrics
        self.wanted, self._first = wanted, 0
        self._shown: Sequence[MetricColumn] = ()
        self.total, self._name = len(rows), 8

    def columns(self, width: int, window: TableWindow) -> Sequence[Column]:
        name = max((cells(clean(row.name)) + cells(row.apart) + bool(row.apart) for row in self.rows), default=8)
        name = self._name = max(8, min(name, width // 3, 40))
        widest = max((cells(clean(metric.title)) for metric in self.metrics), default=0)
        size = 2 * _FIGURE - 1 if self.total > 1 else max(_FIGURE + 2, min(widest + 4, 20))
        room = width - self.lead - name
        across = TableWindow.around(self.wanted, room // size, len(self.metrics), self._first)
        self._first = across.first
        self._shown = [self.metrics[place] for place in across.indices] if self.metrics else []
        heads = [Column(metric.key, _head(metric, size), size, gap=0) for metric in self._shown]
        if heads:
            heads[-1] = heads[-1]._replace(title=_last(heads[-1], room - size * len(heads), across), grow=True)
        return Column("run", "run" if window.whole else f"run {window}", name), *heads

    def row(self, place: int) -> Row:
        row = self.rows[place]
        base = next((other for other in self.rows if other.current), None)
        figures = [_figures(row, metric, best_of(metric, self._alike(row, metric)), base) for metric in self._shown]
        other = base is not None and any(
            not _same(row, base, metric) for metric in self._shown if metric.key in row.values
        )
        mark = "▸" if row.current else "≠" if other else "+" if row.marked else ""
        own, apart = fitted_label(row.name, row.apart, self._name)
        named = line(own, (f" {apart}", "accent")) if apart else line(own)
        return Row(row.run_id, [named, *figures], mark)

    def _alike(self, row: MetricRow, metric: MetricColumn) -> list[MetricRow]:
        return [other for other in self.rows if _same(row, other, metric)]

    def find(self, key: str) -> int | None:
        return next((place for place, row in enumerate(self.rows) if row.run_id == key), None)


def _head(column: MetricColumn, size: int) -> str:
    """Flush with the numbers where it fits above them, else over the differences as well."""
    text = cut(clean(column.title), size - 3) + _ARROWS[column.direction]
    return pad(text, _FIGURE, right=True) if cells(text) <= _FIGURE else f" {text}"


def _last(column: Column, left: int, across: TableWindow) -> str:
    """The last head, with an arrow at the edge of the screen where there are more columns."""
    if across.whole:
        return column.title
    more = " →" if across.first + across.count < across.total else " ←"
    return pad(column.title, column.width + left - cells(more)) + more


def _figures(row: MetricRow, column: MetricColumn, best: float | None, base: MetricRow | None) -> Line:
    value = row.values.get(column.key)
    wins = best is not None and value == best
    delta = (
        ""
        if base is None or row.current or not _same(row, base, column)
        else difference(column.key, value, base.values.get(column.key))
    )
    number = pad(figure(column.key, value) + ("*" if wins else " "), _FIGURE, right=True)
    return line((number, "best" if wins else ""), (delta, _tone(delta, column.direction)))


def _same(row: MetricRow, other: MetricRow, column: MetricColumn) -> bool:
    return row.rows_of(column) == other.rows_of(column)


def _tone(delta: str, direction: Direction | None) -> StyleName:
    if not delta or direction is None or not delta.strip("+-0."):
        return "muted"
    return "good" if delta.startswith("+") == (direction == "max") else "bad"


class MetricTable(VirtualTable):
    """Up and down go through the runs, left and right through the metrics."""

    def __init__(self, *, id: str | None = None) -> None:
        self.shown = MetricRows()
        super().__init__(self.shown, id=id)

    @property
    def rows(self) -> Sequence[MetricRow]:
        return self.shown.rows

    def put(self, rows: Sequence[MetricRow], metrics: Sequence[MetricColumn]) -> None:
        """Other rows."""
        self.shown = MetricRows(rows, metrics, min(self.shown.wanted, max(0, len(metrics) - 1)))
        self.show(self.shown)

    def move(self, rows: int, columns: int) -> None:
        last = max(0, len(self.shown.metrics) - 1)
        self.shown.wanted = min(max(self.shown.wanted + columns, 0), last)
        super().move(rows, columns)
