"""Labels with their probabilities as bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workbench.text import cells, clean, cut, pad
from workbench.tui.widgets.spans import Drawing, Line, Span

_EIGHTHS = " ▏▎▍▌▋▊▉"
_WIDEST = 72


def bar(share: float, width: int) -> str:
    """`share` (0 to 1) of `width` cells, drawn to an eighth of a cell."""
    if not math.isfinite(share):
        return " " * width
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def bar_lines(probabilities: Mapping[str, float], order: Sequence[str], width: int, height: int) -> list[Line]:
    """One line a label in the given order, the likeliest pointed at.

    Where not all fit, the likeliest first, and a last line says how many are left out.
    """
    if not probabilities:
        return []
    width = min(width, _WIDEST)
    top = max(probabilities, key=lambda label: _rank(probabilities[label]))
    shown = [label for label in order if label in probabilities] or list(probabilities)
    left_out = max(0, len(shown) - height)
    if left_out:
        shown = sorted(shown, key=lambda label: -_rank(probabilities[label]))[: max(1, height - 1)]
        left_out = len(probabilities) - len(shown)
    name = min(max(cells(clean(label)) for label in shown), max(6, width // 3))
    lines = [_bar_line(label, probabilities[label], name, width, label == top) for label in shown]
    if left_out:
        lines.append((Span(cut(f"  {left_out} less likely", width), "muted"),))
    return lines


def _rank(probability: float) -> float:
    return probability if math.isfinite(probability) else -1.0


def _bar_line(label: str, probability: float, name: int, width: int, top: bool) -> Line:
    figure = f"{probability:.4f}" if math.isfinite(probability) else "nan"
    room = max(0, width - name - 2 - 1 - 8)
    return (
        Span(("▸ " if top else "  ") + pad(clean(label), name) + " ", "best" if top else ""),
        Span(bar(probability, room), "bar" if top else "faint-bar"),
        Span(pad(figure, 8, right=True), "best" if top else "muted"),
    )


class ProbabilityBars(Drawing):
    """What a classifier thinks of a text."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.probabilities: Mapping[str, float] = {}
        self.order: Sequence[str] = ()

    def show(self, probabilities: Mapping[str, float], order: Sequence[str]) -> None:
        self.probabilities, self.order = probabilities, order
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        return bar_lines(self.probabilities, self.order, width, height)
