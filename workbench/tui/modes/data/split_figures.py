"""What a split looks like as a whole: label balance, lengths, and what is odd."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.contracts.lab.data_requests import DataStatsReply
from workbench.core.text import clean, cut
from workbench.display.spans import Line, Span, width_of
from workbench.display.wrap import wrap
from workbench.tui.modes.data.histogram import balance, spread
from workbench.tui.widgets.drawing import Drawing


class SplitFigures(Drawing):
    """Balance at the left, lengths at the right, and a line of what one should know."""

    DEFAULT_CSS = "SplitFigures { height: 8; border-top: solid $panel; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._stats: DataStatsReply | None = None
        self._notes: Sequence[str] = ()
        self._said = ""

    def show(self, stats: DataStatsReply | None, notes: Sequence[str], said: str = "") -> None:
        """Other figures, or what is `said` in their place."""
        self._stats, self._notes, self._said = stats, notes, said
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        wrapped = [line for note in self._notes for line in wrap(clean(note), width, height)]
        notes: list[Line] = [(Span(line, "muted"),) for line in wrapped[: height // 3]]
        if self._stats is None:
            return [(Span(cut(clean(self._said), width), "muted"),), *notes]
        return figure_lines(self._stats, width, height - len(notes)) + notes


def figure_lines(stats: DataStatsReply, width: int, height: int) -> list[Line]:
    """A headline, then balance and lengths side by side in what is left of `height`."""
    headline: Line = (Span(cut(_headline(stats), width), "muted"),)
    lengths = stats.lengths
    if not stats.labels:
        return [headline, *spread(lengths.bins, lengths.top, width - 1, height - 1)]
    left = max(20, width // 2 - 2)
    bars = balance({name or "(none)": rows for name, rows in stats.labels.items()}, left, height - 1, stats.kinds)
    columns = spread(lengths.bins, lengths.top, width - left - 3, height - 1)
    return [headline, *beside(bars, columns, left + 2)]


def _headline(stats: DataStatsReply) -> str:
    lengths = stats.lengths
    said = [f"of the first {stats.rows:,} rows"] if stats.partial else []
    said += [f"characters: median {lengths.median:,}, 95% ≤ {lengths.p95:,}, longest {lengths.max:,}"]
    said += [f"{stats.empty:,} empty"] if stats.empty else []
    said += [f"{stats.repeated:,} repeated"] if stats.repeated else []
    said += [f"{count:,} also in {clean(split)}" for split, count in stats.shared.items()]
    said += [f"{stats.dropped:,} dropped"] if stats.dropped else []
    return " · ".join(said)


def beside(left: Sequence[Line], right: Sequence[Line], column: int) -> list[Line]:
    """Two blocks of lines, the second from `column` on; both end at the bottom."""
    height = max(len(left), len(right))
    lower = [()] * (height - len(right)) + list(right)
    rows: list[Line] = []
    for index in range(height):
        first = left[index] if index < len(left) else ()
        rows.append((*first, Span(" " * max(0, column - width_of(first))), *lower[index]))
    return rows
