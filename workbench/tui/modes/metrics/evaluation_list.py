"""Evaluations without classes, one below the other, and samples of what was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.core.text import cells, clean, cut, pad
from workbench.display.figures import figure
from workbench.display.spans import Line, Span, line
from workbench.display.wrap import wrap
from workbench.metrics import catalog
from workbench.tui.widgets.drawing import Scrolled
from workbench.tui.widgets.table import Column, Row, TableSource, TableWindow

_SAMPLE_LIMIT = 8000


@dataclass(frozen=True)
class Scores:
    """One evaluation: `values` by the bare name of the metric."""

    step: int
    epoch: float | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class Sample:
    """What the model wrote at a step. `text` goes on where `prompt` ends."""

    step: int
    prompt: str
    text: str


class ScoreRows(TableSource):
    """The newest evaluation first; the best of each column over all of them marked with `*`.

    `▸` marks the one of step `chosen`. Where not all fit, the head says which are there.
    """

    lead = 2
    pointed = False

    def __init__(self, scores: Sequence[Scores], chosen: int | None = None) -> None:
        self._newest, self._chosen = list(reversed(scores)), chosen
        self._shown: Mapping[str, int] = {}
        self.total = len(scores)

    def columns(self, width: int, window: TableWindow) -> Sequence[Column]:
        self._shown = _columns(self._newest, width)
        figures = [
            Column(name, f"{clean(catalog.title(name))} ", size, right=True, gap=0)
            for name, size in self._shown.items()
        ]
        place = Column("window", "" if window.whole else str(window), 0, grow=True)
        return Column("step", "step", 7, right=True), Column("epoch", "epoch", 7, right=True, gap=1), *figures, place

    def row(self, place: int) -> Row:
        entry = self._newest[place]
        epoch = "–" if entry.epoch is None else f"{entry.epoch:.2f}"
        figures = [self._figure(entry, name) for name in self._shown]
        mark = "▸" if entry.step == self._chosen else ""
        return Row(str(entry.step), [line(str(entry.step)), line(epoch), *figures, ()], mark)

    def _figure(self, entry: Scores, name: str) -> Line:
        value = entry.values.get(name)
        best = catalog.best_value(name, (other.values[name] for other in self._newest if name in other.values))
        wins = self.total > 1 and value is not None and value == best
        return line((figure(name, value) + ("*" if wins else " "), "best" if wins else ""))


def _columns(scores: Sequence[Scores], width: int) -> dict[str, int]:
    """The metrics that are there, as many as fit, with the width of each: of its head, or of a figure and its mark."""
    names = sorted({name for entry in scores for name in entry.values if catalog.is_metric(name)}, key=catalog.rank)
    shown = {name: max(cells(clean(catalog.title(name))), 8) + 3 for name in names}
    while 16 + sum(shown.values()) > width and len(shown) > 1:
        shown.popitem()
    return shown


def sample_lines(samples: Sequence[Sample], width: int) -> list[Line]:
    """Every sample, newest first: its step and prompt, then what was written."""
    lines: list[Line] = []
    for sample in reversed(samples):
        prompt = clean(sample.prompt[:_SAMPLE_LIMIT])
        lines.append((Span(pad(cut(f"step {sample.step} · {prompt}", width), width), "head"),))
        lines += [line(text) for text in wrap(clean(sample.text[:_SAMPLE_LIMIT], newlines=True), width)]
        lines.append(())
    return lines


class SampleList(Scrolled):
    """Samples, scrolled by the line."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.samples: Sequence[Sample] = ()

    def show(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.update_lines()

    def every(self, width: int) -> list[Line]:
        return sample_lines(self.samples, width)
