"""How a run looks in the table: which columns there are, and what each says of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from workbench.contracts.events import WORKING_STATES
from workbench.core import series
from workbench.core.text import cells, clean
from workbench.display.figures import figure, headline_key
from workbench.display.run_labels import short_name
from workbench.display.spans import Span, StyleName, line
from workbench.metrics import catalog
from workbench.tui.run_news import RunNews
from workbench.tui.widgets.table import Column, Row, TableSource, TableWindow

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow, Summary

SPARK_WIDTH = 12

# State → glyph, style. Word and colour say the same, so that neither is needed.
STATES: Mapping[str, tuple[str, StyleName]] = {
    "created": ("○", "muted"),
    "queued": ("○", "accent"),
    "running": ("●", "good"),
    "stopping": ("◐", "warn"),
    "completed": ("✓", ""),
    "stopped": ("■", "warn"),
    "failed": ("✗", "bad"),
    "killed": ("✗", "bad"),
    "lost": ("?", "bad"),
    "diverged": ("≈", "bad"),
}
PLAIN_GLYPHS = {"○": "o", "●": "*", "◐": "~", "✓": "+", "■": "=", "✗": "x", "≈": "!"}


def state_cell(state: str, *, plain: bool = False) -> Span:
    """`● running` in its colour; ASCII with `plain`."""
    glyph, style = STATES.get(state, ("?", ""))
    return Span(f"{PLAIN_GLYPHS.get(glyph, glyph) if plain else glyph} {clean(state)}", style)


_SHORT: Mapping[str, str] = {"accuracy": "acc", "perplexity": "ppl"}  # the column is narrow


class Sight(NamedTuple):
    """What a cell may need besides the run."""

    now: float
    sparks: Mapping[str, Sequence[float]]
    plain: bool = False
    news: RunNews = RunNews()  # frozen


# The direction and the name in `sort:-max(eval/f1)`.
_ORDER = re.compile(r"\bsort:(-?)(?:\w+\()?([\w./]+)")
_BLIND = Sight(0.0, {})

Make = Callable[["RunRow", Sight], Span]

_COLUMNS: Mapping[str, tuple[Column, Make]] = {
    "state": (Column("state", "state", 11), lambda run, sight: state_cell(run.state, plain=sight.plain)),
    "name": (Column("name", "name", 15, grow=True), lambda run, _: Span(clean(run.name))),
    "differs": (Column("differs", "differs by", 10, drop=1, whole=True), lambda run, sight: _differs(run, sight)),
    "task": (Column("task", "task", 19, drop=9), lambda run, _: Span(clean(run.task), "muted")),
    "model": (Column("model", "model", 10, drop=5), lambda run, _: Span(clean(short_name(run.model)), "muted")),
    "data": (Column("data", "data", 14, drop=6), lambda run, _: Span(clean(short_name(run.data)), "muted")),
    "metric": (Column("metric", "metric", 11, drop=1, whole=True), lambda run, sight: metric_cell(run, sight)),
    "loss": (Column("loss", "loss", SPARK_WIDTH, drop=3), lambda run, sight: _spark(run, sight)),
    "age": (Column("age", "age", 4, right=True, drop=2), lambda run, sight: _age(run, sight)),
    "tags": (Column("tags", "tags", 14, drop=7), lambda run, _: Span(clean(" ".join(run.tags)), "accent")),
    "id": (Column("id", "id", 9, drop=4), lambda run, _: Span(run.id, "muted")),
    "notes": (Column("notes", "notes", 20, drop=8), lambda run, _: Span(clean(run.notes), "muted")),
    "progress": (Column("progress", "done", 5, right=True, drop=4), lambda run, _: Span(percent(run), "muted")),
    "took": (Column("took", "took", 7, right=True, drop=6), lambda run, sight: _took(run, sight)),
    "reason": (Column("reason", "reason", 20, drop=8), lambda run, _: Span(clean(run.reason), "muted")),
}

COLUMN_NAMES: tuple[str, ...] = tuple(_COLUMNS)


def columns(names: Sequence[str], *, apart: bool = False) -> tuple[list[Column], list[Make]]:
    """The columns that settings name: those above, a metric (`eval/f1`) or a recipe field (`train.learning_rate`).

    With `apart` runs that share a name are told apart behind it.
    """
    if apart and "differs" not in names:
        at = names.index("name") + 1 if "name" in names else 0
        names = (*names[:at], "differs", *names[at:])
    chosen = [_COLUMNS.get(name) or _own(name) for name in names if name in _COLUMNS or "/" in name or "." in name]
    if not any(column.grow for column, _ in chosen):
        chosen.insert(0, _COLUMNS["name"])
    return [column for column, _ in chosen], [make for _, make in chosen]


def _own(name: str) -> tuple[Column, Make]:
    title = clean(name.rsplit("/", 1)[-1].rsplit(".", 1)[-1])
    column = Column(name, title, max(8, min(14, len(title))), right=True, drop=4)
    if "/" in name:
        return column, lambda run, _: Span(_value(run, name))
    return column, lambda run, _: Span(clean(recipe_field(run, name)), "muted")


def recipe_field(run: RunRow, name: str) -> str:
    """A field of the resolved recipe such as `train.learning_rate`; empty where it has none."""
    node: object = run.recipe
    for part in name.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return "" if node is None else str(node)


@dataclass(frozen=True)
class RunRows(TableSource):
    """A page of the runs: those from the index `first` on, of `total`. `makes` make their cells."""

    shown: Sequence[Column]
    makes: Sequence[Make] = ()
    runs: Sequence[RunRow] = ()
    first: int = 0
    total: int = 0
    sight: Sight = _BLIND
    marks: frozenset[str] = frozenset()
    filter: str = ""
    lead: ClassVar[int] = 2
    bar: ClassVar[bool] = True

    def columns(self, width: int, window: TableWindow) -> Sequence[Column]:
        shown = self.shown
        if self.sight.news.apart:  # what differs gets the room that the names leave
            widest = min(15, max((cells(clean(run.name)) for run in self.runs), default=15))
            shown = [column._replace(width=widest) if column.name == "name" else column for column in shown]
        order = _ORDER.search(self.filter)
        if order is None:
            return shown
        name = {"created": "age"}.get(order[2], order[2])
        arrow = "↓" if order[1] else "↑"
        return [column._replace(sort=arrow) if column.name == name else column for column in shown]

    def run(self, place: int) -> RunRow | None:
        """The run at a place of all those that match."""
        return self.runs[place - self.first] if 0 <= place - self.first < len(self.runs) else None

    def row(self, place: int) -> Row | None:
        run = self.run(place)
        if run is None:
            return None
        made = [(make(run, self.sight),) for make in self.makes]
        mark, sign = "◆" if run.id in self.marks else " ", "!" if run.id in self.sight.news.signs else ""
        return Row(run.id, made, line((mark, "accent"), (sign, "warn")))

    def find(self, key: str) -> int | None:
        return next((place for place, run in enumerate(self.runs, self.first) if run.id == key), None)

    def missing(self, window: TableWindow, cursor: int) -> int | None:
        return None if all(map(self.run, window.indices)) else window.first


def best_metric(run: RunRow) -> tuple[str, Summary] | None:
    """The metric that the list shows of a run: the one it is evaluated by, else the first that it has."""
    key = headline_key(run) or "train/loss"
    return (key, run.metrics[key]) if key in run.metrics else None


def _differs(run: RunRow, sight: Sight) -> Span:
    """What differs from the others of its name; of those that are alike in all, the id."""
    return Span((sight.news.apart[run.id] or run.id) if run.id in sight.news.apart else "", "accent")


def metric_cell(run: RunRow, sight: Sight) -> Span:
    found = best_metric(run)
    if found is None and run.id in sight.news.phases:
        return Span(sight.news.phases[run.id], "accent")
    if found is None:
        return Span("—", "muted")
    key, _ = found
    name = catalog.bare(key)
    return Span(f"{_value(run, key)} {_SHORT.get(name, clean(name))}")


def _value(run: RunRow, key: str) -> str:
    """Of a run that goes on the newest value, of one that has ended the best."""
    summary = run.metrics.get(key)
    if summary is None:
        return "—"
    return figure(key, summary.last if run.state in WORKING_STATES else summary.best_or_last)


def percent(run: RunRow) -> str:
    """How far training has come."""
    if run.step is None or not run.total_steps:
        return "—"
    return f"{100 * run.step / run.total_steps:.0f}%"


def _spark(run: RunRow, sight: Sight) -> Span:
    values = list(sight.sparks.get(run.id, ()))
    style = "warn" if run.id in sight.news.signs else STATES.get(run.state, ("", ""))[1] or "muted"
    return Span(series.sparkline_text(values, SPARK_WIDTH) if values else "", style)


def _age(run: RunRow, sight: Sight) -> Span:
    return Span(series.format_age(max(0.0, sight.now - run.created)), "muted")


def _took(run: RunRow, sight: Sight) -> Span:
    if run.started is None:
        return Span("—", "muted")
    return Span(series.format_duration((run.finished or sight.now) - run.started), "muted")
