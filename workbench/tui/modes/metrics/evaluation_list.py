"""Evaluations without classes, one below the other, and samples of what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from workbench.core.text import clean, cut, pad
from workbench.display.spans import Line, Span
from workbench.display.wrap import wrap
from workbench.tui.modes.metrics.confusion_matrix import Window
from workbench.tui.modes.metrics.metric_table import figure
from workbench.tui.widgets.drawing import Drawing

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


_Column = tuple[str, str, Callable[[Iterable[float]], float]]
# Name in the log, head, which is the best; the first are the last to go where there is little room.
_COLUMNS: tuple[_Column, ...] = (
    ("perplexity", "perplexity", min),
    ("mse", "MSE", min),
    ("spearman", "Spearman", max),
    ("pearson", "Pearson", max),
    ("bleu", "BLEU", max),
    ("rougeL", "ROUGE-L", max),
    ("exact_match", "exact match", max),
    ("f1", "F1", max),
    ("masked_accuracy", "masked accuracy", max),
    ("pseudo_perplexity", "pseudo-perplexity", min),
    ("token_accuracy", "token accuracy", max),
    ("loss", "loss", min),
    ("bits_per_byte", "bits/byte", min),
    ("r2", "R²", max),
    ("mae", "MAE", min),
    ("chrf", "chrF", max),
    ("rouge1", "ROUGE-1", max),
)


def score_lines(
    scores: Sequence[Scores], width: int, height: int, shown: int | None = None, top: int = 0
) -> list[Line]:
    """The newest evaluations first, from the `top`th on; the best of each column over all of them marked with `*`.

    `▸` marks the one of step `shown`. Where not all fit, the head says which are there.
    """
    columns = _columns(scores, width)
    window = Window(max(0, min(top, len(scores) - height + 1)), max(1, height - 1), len(scores))
    best = {name: pick(e.values[name] for e in scores if name in e.values) for name, _, pick in columns}
    heads = "".join(pad(head + " ", size, right=True) for (_, head, _), size in _sized(columns))
    title = f"  {'step':>7} {'epoch':>7}{heads}"
    lines: list[Line] = [(Span(title if window.whole else f"{title}  {window}", "head"),)]
    newest = list(reversed(scores))
    for entry in (newest[place] for place in window.indices):
        epoch = "–" if entry.epoch is None else f"{entry.epoch:.2f}"
        spans = [Span(f"{'▸' if entry.step == shown else ' '} {entry.step:>7} {epoch:>7}")]
        for (name, _, _), size in _sized(columns):
            value = entry.values.get(name)
            wins = len(scores) > 1 and value == best[name]
            text = figure(value) + ("*" if wins else " ")
            spans.append(Span(pad(text, size, right=True), "best" if wins else ""))
        lines.append(tuple(spans))
    return lines


def _columns(scores: Sequence[Scores], width: int) -> list[_Column]:
    """Those that are there, as many as fit."""
    shown = [column for column in _COLUMNS if any(column[0] in entry.values for entry in scores)]
    while 16 + sum(size for _, size in _sized(shown)) > width and len(shown) > 1:
        shown.pop()
    return shown


def _sized(columns: Sequence[_Column]) -> list[tuple[_Column, int]]:
    """Each with its width: of its head, or of a figure and its mark."""
    return [(column, max(len(column[1]), 8) + 3) for column in columns]


def sample_lines(samples: Sequence[Sample], width: int) -> list[Line]:
    """Every sample, newest first: its step and prompt, then what was written."""
    lines: list[Line] = []
    for sample in reversed(samples):
        prompt = clean(sample.prompt[:_SAMPLE_LIMIT])
        lines.append((Span(pad(cut(f"step {sample.step} · {prompt}", width), width), "head"),))
        lines += [(Span(line),) for line in wrap(clean(sample.text[:_SAMPLE_LIMIT], newlines=True), width)]
        lines.append(())
    return lines


class ScoreTable(Drawing, can_focus=True):
    """The evaluations of a split, newest first, scrolled by the line."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.scores: Sequence[Scores] = ()
        self.top = 0
        self._step: int | None = None

    def show(self, scores: Sequence[Scores], step: int | None = None) -> None:
        """Other evaluations; that of `step` is marked."""
        self.scores, self._step = scores, step
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        return score_lines(self.scores, width, height, self._step, self.top) if self.scores else []

    def move(self, rows: int, columns: int) -> None:
        self.top = max(0, min(self.top + rows, len(self.scores) - self.size.height + 1))
        self.update_lines()


class SampleList(Drawing, can_focus=True):
    """Samples, scrolled by the line."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.samples: Sequence[Sample] = ()
        self.top = 0

    def show(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        every = sample_lines(self.samples, width)
        self.top = max(0, min(self.top, len(every) - height))
        return every[self.top : self.top + height]

    def move(self, rows: int, columns: int) -> None:
        self.top = max(0, self.top + rows)
        self.update_lines()
