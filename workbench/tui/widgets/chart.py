"""Line charts. The only file that knows plotext: what goes in are finite points, what comes out are lines of cells.

plotext's own log axis changes the data it is given and an infinity makes it raise, so logarithms are taken and what is
not finite is left out before it sees anything; ticks and their words are ours too, and stay put while data arrives, so
that a moving chart repaints a few cells and not itself.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib import import_module
from operator import itemgetter
from typing import Final

from workbench.core import series
from workbench.core.text import cells, clean, cut
from workbench.display.spans import Line, Span, StyleName, fitted, width_of
from workbench.tui.widgets.drawing import Drawing
from workbench.tui.widgets.raster import Area, line_cells
from workbench.tui.widgets.styles import series_style

Point = tuple[float, float]

_POINTER: Final = 7  # the shade of the line that is pointed with
_MOST_DOTS: Final = 40  # points that are marked one by one

_SGR = re.compile("\x1b\\[[0-9;]*m")
_ASCII = str.maketrans("│┤└─┬┼├┴┌┐┘●", "|++-+++++++o")


@dataclass(frozen=True, slots=True)
class Series:
    """One series: finite points in order of x. `shade` picks its colour; `faint` draws it behind the others."""

    label: str
    points: tuple[Point, ...]
    shade: int = 0
    faint: bool = False
    dots: bool = False
    said: str = ""  # its newest value, for the legend; empty: not in the legend


@dataclass(frozen=True, slots=True)
class Spec:
    """What a chart shows. `span` is the range of x, `reach` that of y where it is given; else y goes as far as the
    points, rounded, and no further than `within`. `x_word` formats a tick.

    Equal specs are the same picture.
    """

    title: str
    lines: tuple[Series, ...] = ()
    span: tuple[float, float] = (0.0, 1.0)
    log: bool = False
    axis: str = "step"
    note: str = ""
    reach: tuple[float, float] | None = None
    at: float | None = None  # a place on the x axis that a line stands at
    within: tuple[float, float] = (-math.inf, math.inf)


class Chart(Drawing):
    """A title line with the legend, then the plot. Made anew only when its spec or its size changes."""

    DEFAULT_CSS = "Chart { width: 1fr; height: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None, plain: bool = False) -> None:
        super().__init__(id=id, classes=classes)
        self._plain = plain
        self.spec: Spec | None = None

    def on_mount(self) -> None:
        self.run_worker(partial(import_module, "plotext"), thread=True)  # before a key has to wait for it

    def draw(self, spec: Spec) -> None:
        """Show `spec`."""
        if spec != self.spec:
            self.spec = spec
            self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        if self.spec is None or width < 5 or height < 3:
            return []
        return chart_lines(self.spec, width, height, plain=self._plain)


def chart_lines(spec: Spec, width: int, height: int, *, plain: bool = False) -> list[Line]:
    """The chart as lines of `width` cells, `height` of them: title and legend, the plot, the x axis."""
    return [_title(spec, width), *_plot(spec, width, height - 1, plain=plain)]


# -- the title -------------------------------------------------------------------------------------------------------


def _title(spec: Spec, width: int) -> Line:
    spans = [Span(f" {clean(spec.title)}{' (log)' if spec.log else ''} ", "bold")]
    room = width - width_of(tuple(spans)) - cells(spec.note) - 2
    for drawn in spec.lines:
        if not drawn.said:
            continue
        # A name may be cut, a number never: what has no room for its number is left out.
        name = cut(clean(drawn.label), room - cells(drawn.said) - 3)
        text = f" {name} {clean(drawn.said)} " if name else f" {clean(drawn.said)} "
        if cells(text) > room or (drawn.label and not name.strip("…")):
            break
        spans.append(Span(text, series_style(drawn.shade, faint=drawn.faint)))
        room -= cells(text)
    if spec.note and room >= 0:
        spans.append(Span(" " * room + " " + spec.note, "muted"))
    return fitted(tuple(spans), width)


# -- the plot --------------------------------------------------------------------------------------------------------


def _plot(spec: Spec, width: int, height: int, *, plain: bool) -> list[Line]:
    drawn = [_logged(line) if spec.log else line for line in spec.lines]
    values = [y for line in drawn for _, y in line.points]
    if not values:
        return _nothing(spec, width, height)
    low, high = spec.reach or _reach(spec, min(values), max(values))
    if spec.at is not None and spec.span[0] <= spec.at <= _open(spec.span)[1]:
        drawn.append(Series("", ((spec.at, low), (spec.at, high)), _POINTER, faint=True))
    frame = _frame(width, height, _open(spec.span), (low, high), spec.axis, spec.log)
    left = frame[0].find("│") if frame[0].find("┤") < 0 else frame[0].find("┤")
    area = Area(width - left - 1, height - 2, _open(spec.span), (low, high))
    cells_ = _drawn_cells(sorted(drawn, key=lambda line: not line.faint), area, plain=plain)
    body = [(Span(_ascii(text[: left + 1], plain), "muted"), *cells_[row]) for row, text in enumerate(frame[:-2])]
    return [*body, *(fitted((Span(_ascii(text, plain), "muted"),), width) for text in frame[-2:])]


def _drawn_cells(lines: Sequence[Series], area: Area, *, plain: bool) -> list[Line]:
    """The area with every series on it, the later over the earlier."""
    texts = [[" "] * area.columns for _ in range(area.rows)]
    styles: list[list[StyleName]] = [[""] * area.columns for _ in range(area.rows)]
    for line in lines:
        style, mark = series_style(line.shade, faint=line.faint), "." if line.faint else "*"
        for row, column, text in line_cells(line.points, area):
            texts[row][column], styles[row][column] = mark if plain else text, style
        for point in line.points if line.dots and len(line.points) <= _MOST_DOTS else ():
            row, column = area.cell(*point)
            if 0 <= row < area.rows and 0 <= column < area.columns:
                texts[row][column], styles[row][column] = "o" if plain else "●", style
    return [_joined(*row) for row in zip(texts, styles, strict=True)]


def _joined(texts: Sequence[str], styles: Sequence[StyleName]) -> Line:
    """A row of cells, those alike as one span."""
    groups = itertools.groupby(zip(styles, texts, strict=True), key=itemgetter(0))
    return tuple(Span("".join(text for _, text in group), style) for style, group in groups)


@lru_cache(maxsize=64)
def _frame(
    width: int, height: int, span: tuple[float, float], reach: tuple[float, float], axis: str, log: bool
) -> tuple[str, ...]:
    """plotext's axes, ticks and their words around nothing. They stay put while data arrives: once is enough."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(width, height)
    plotext.plot(list(span), list(reach), marker=" ")
    plotext.xlim(*span)
    plotext.ylim(*reach)
    y_ticks = _apart(ticks(*reach, max(1, min(6, height - 3))), height - 2)
    plotext.yticks(y_ticks, [_y_word(tick, log) for tick in y_ticks])
    x_ticks = ticks(*span, max(2, width // 16))
    plotext.xticks(x_ticks, [x_word(tick, axis) for tick in x_ticks])
    plotext.xaxes(True, False)
    plotext.yaxes(True, False)
    return tuple(_SGR.sub("", plotext.build()).split("\n")[:height])


def _reach(spec: Spec, least: float, most: float) -> tuple[float, float]:
    """How far y goes: round numbers around the points; a share that is 1 needs no room above it."""
    low, high = bounds(least, most)
    if spec.log or not spec.within[0] <= least <= most <= spec.within[1]:
        return low, high
    return max(low, spec.within[0]), min(high, spec.within[1])


def _logged(line: Series) -> Series:
    points = tuple(series.log10_finite(list(line.points)))
    return replace(line, points=points)


def _open(span: tuple[float, float]) -> tuple[float, float]:
    low, high = span
    return (low, high) if high > low else (low, low + 1.0)


def _nothing(spec: Spec, width: int, height: int) -> list[Line]:
    text = "nothing above zero to show" if spec.log and any(line.points for line in spec.lines) else "no points yet"
    left = max(0, (width - len(text)) // 2)
    return [()] * max(0, height // 2 - 1) + [(Span(" " * left + text, "muted"),)]


def _ascii(text: str, plain: bool) -> str:
    return text.translate(_ASCII) if plain else text


# -- scales that stay put --------------------------------------------------------------------------------------------


def bounds(low: float, high: float) -> tuple[float, float]:
    """Round numbers around a range. New data within them leaves the axis, and so the picture, as it is."""
    if not high - low > 1e-6 * max(abs(low), abs(high)):  # what differs by less is noise of the arithmetic
        around = abs(low) * 0.1 or 1.0
        low, high = low - around, high + around
    step = nice((high - low) / 4)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def nice(value: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 times a power of ten that is not below `value`."""
    power: float = 10.0 ** math.floor(math.log10(value))
    return next((factor * power for factor in (1, 2, 2.5, 5) if factor * power >= value * (1 - 1e-9)), 10 * power)


def limit(reached: float, total: float | None) -> float:
    """How far an x axis goes that has `reached` so far: it grows in leaps, up to `total`, so that it rarely moves."""
    if reached <= 10:
        return 10.0 if not total or total < reached else min(10.0, total)
    power: float = 10.0 ** math.floor(math.log10(reached))
    leaps = (1, 1.5, 2, 3, 4, 6, 8, 10)
    grown = next(leap * power for leap in leaps if leap * power >= reached * (1 - 1e-9))
    return grown if total is None or total < reached else min(grown, total)


def ticks(low: float, high: float, count: int) -> list[float]:
    """At most about `count` round numbers from low to high."""
    step = nice((high - low) / max(1, count))
    first = math.ceil(low / step - 1e-9)
    found = [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
    return found or [low]


def _apart(found: list[float], rows: int) -> list[float]:
    """Ticks that each have a row: which of two in one row plotext shows is not the same every time."""
    return found if len(found) <= rows else [found[0], found[-1]][: max(1, rows)]


def _y_word(tick: float, log: bool) -> str:
    return series.format_number(10.0**tick if log else (0.0 if abs(tick) < 1e-12 else tick))


def x_word(value: float, axis: str) -> str:
    """A tick of the x axis: `1.5k` steps, `2.5` epochs, `3m` of time, a share of one."""
    if axis == "time":
        return series.format_duration(value)
    if axis in ("epoch", "share"):
        return f"{value:g}"
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 10_000 else f"{value:g}"


def legend(labels: Sequence[str]) -> list[str]:
    """Short names that differ: what all begin with is left out where that leaves something."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*labels, strict=False))
    shared = len(list(alike)) if len(labels) > 1 else 0
    cutoff = shared if all(len(label) > shared for label in labels) else 0
    return [label[cutoff:] for label in labels]
