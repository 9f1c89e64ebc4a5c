"""Beside a wide table: what is known of the run under the cursor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.core import series
from workbench.core.text import clean, cut, pad
from workbench.display.figures import figure
from workbench.tui.widgets.drawn_lines import Lines
from workbench.tui.widgets.run_cells import percent, recipe_field, state_cell

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow

Part = tuple[str, str]

# What of a recipe one looks for first.
_FIELDS = (
    "model.name", "model.architecture", "data.source", "data.train", "data.max_length", "train.epochs",
    "train.max_steps", "train.batch_size", "train.learning_rate", "train.schedule", "train.weight_decay", "seed",
)  # fmt: skip


class RunDetail(Lines):
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

    def on_resize(self) -> None:
        self.tell(self._run)

    def tell(self, run: RunRow | None) -> None:
        """Show a run; nothing with None."""
        self._run = run
        lines = [] if run is None else list(detail(run, self.size.width, plain=self._plain))
        self.show([self.strip_of(*parts) for parts in lines])


def detail(run: RunRow, width: int, *, plain: bool = False) -> Iterator[tuple[Part, ...]]:
    """The lines: name and state, times, metrics, recipe, note."""
    state = state_cell(run.state, plain=plain)
    yield ((cut(clean(run.name), width), "bold"),)
    yield (state.text, state.kind), (f"  {run.id}  {percent(run)}", "dim")
    if run.reason:
        yield ((cut(clean(run.reason), width), "bad" if run.state != "completed" else "dim"),)
    yield from _times(run, width)
    if run.tags:
        yield ((cut(clean(" ".join(f"#{tag}" for tag in run.tags)), width), "accent"),)
    yield from _metrics(run, width)
    yield from _recipe(run, width)
    if run.notes:
        yield from (((), (("note", "bold"),)))
        yield from (((cut(line, width), ""),) for line in _folded(clean(run.notes), width))


def _times(run: RunRow, width: int) -> Iterator[tuple[Part, ...]]:
    yield _pair("made", time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created)), width)
    if run.started is not None and run.finished is not None:
        yield _pair("took", series.format_duration(run.finished - run.started), width)


def _metrics(run: RunRow, width: int) -> Iterator[tuple[Part, ...]]:
    shown = {key: summary for key, summary in sorted(run.metrics.items()) if key.startswith(("test/", "eval/"))}
    if not shown:
        return
    yield ()
    yield ((pad("metric", 18) + pad("best", 11, right=True) + pad("last", 11, right=True), "bold"),)
    for key, summary in list(shown.items())[:12]:
        best = figure(key, summary.best) if summary.best is not None else ""
        last = figure(key, summary.last)
        yield ((pad(clean(key), 18), "dim"), (pad(best, 11, right=True), "good"), (pad(last, 11, right=True), ""))


def _recipe(run: RunRow, width: int) -> Iterator[tuple[Part, ...]]:
    found = [(name, value) for name in _FIELDS if (value := recipe_field(run, name))]
    if found:
        yield ()
        yield (("recipe", "bold"),)
    for name, value in found:
        yield _pair(name, value, width)


def _pair(name: str, value: str, width: int) -> tuple[Part, ...]:
    return (pad(name, 20), "dim"), (cut(clean(value), max(1, width - 20)), "")


def _folded(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(10, width))[:8]
