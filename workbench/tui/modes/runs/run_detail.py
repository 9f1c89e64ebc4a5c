"""Beside a wide table: what is known of the run under the cursor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.core import series
from workbench.core.text import clean, cut, pad
from workbench.display.figures import figure
from workbench.display.spans import Line, Span, line
from workbench.display.wrap import wrap
from workbench.tui.run_news import RunNews
from workbench.tui.widgets.drawing import Drawing
from workbench.tui.widgets.run_cells import percent, recipe_field, state_cell

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow

_FIGURE = 10
_NOTE_LINES = 8
# What of a recipe one looks for first.
_FIELDS = (
    "model.name", "model.architecture", "data.source", "data.train", "data.max_length", "train.epochs",
    "train.max_steps", "train.batch_size", "train.learning_rate", "train.schedule", "train.weight_decay", "seed",
)  # fmt: skip


class RunDetail(Drawing):
    """Lines of a name and a value, under headings."""

    DEFAULT_CSS = """
    RunDetail {
        width: 34%; min-width: 40; max-width: 54; height: 1fr; padding: 0 1; border-left: solid $foreground 20%;
    }
    """

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__(id="detail")
        self._plain = plain
        self._run: RunRow | None = None
        self._news = RunNews()

    def tell(self, run: RunRow | None, news: RunNews) -> None:
        """Show a run; nothing with None."""
        self._run, self._news = run, news
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        return [] if self._run is None else list(detail(self._run, self._news, width, plain=self._plain))


def detail(run: RunRow, news: RunNews, width: int, *, plain: bool = False) -> Iterator[Line]:
    """The lines: name and state, what is wrong, times, metrics, recipe, note."""
    yield line((cut(clean(run.name), width), "bold"))
    yield line(state_cell(run.state, plain=plain), (f"  {run.id}  {percent(run)}", "muted"))
    if run.reason:
        yield line((cut(clean(run.reason), width), "bad" if run.state != "completed" else "muted"))
    yield from _news(run, news, width)
    yield from _times(run, width)
    if run.tags:
        yield line((cut(clean(" ".join(f"#{tag}" for tag in run.tags)), width), "accent"))
    yield from _metrics(run, width)
    yield from _recipe(run, width)
    if run.notes:
        yield from ((), line(("note", "bold")))
        yield from (line(text) for text in wrap(clean(run.notes), width, _NOTE_LINES))


def _news(run: RunRow, news: RunNews, width: int) -> Iterator[Line]:
    for known in (news.apart, news.phases):
        if said := known.get(run.id):
            yield line((cut(said, width), "accent"))
    for sign in news.signs.get(run.id, ()):
        yield from (line((text, "warn")) for text in wrap(sign, width))


def _times(run: RunRow, width: int) -> Iterator[Line]:
    yield _pair("made", time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created)), width)
    if run.started is not None and run.finished is not None:
        yield _pair("took", series.format_duration(run.finished - run.started), width)


def _metrics(run: RunRow, width: int) -> Iterator[Line]:
    shown = {key: summary for key, summary in sorted(run.metrics.items()) if key.startswith(("test/", "eval/"))}
    if not shown:
        return
    yield ()
    name = max(8, width - 2 * _FIGURE)
    yield line((pad("metric", name) + pad("best", _FIGURE, right=True) + pad("last", _FIGURE, right=True), "bold"))
    for key, summary in list(shown.items())[:12]:
        best = figure(key, summary.best) if summary.best is not None else ""
        last = figure(key, summary.last)
        figures = Span(pad(best, _FIGURE, right=True), "good"), Span(pad(last, _FIGURE, right=True))
        yield (Span(pad(clean(key), name), "muted"), *figures)


def _recipe(run: RunRow, width: int) -> Iterator[Line]:
    found = [(name, value) for name in _FIELDS if (value := recipe_field(run, name))]
    if found:
        yield ()
        yield line(("recipe", "bold"))
    for name, value in found:
        yield _pair(name, value, width)


def _pair(name: str, value: str, width: int) -> Line:
    return line((pad(name, 20), "muted"), cut(clean(value), max(1, width - 20)))
