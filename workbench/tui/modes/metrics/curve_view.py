"""ROC, precision–recall and calibration side by side, and a threshold that is moved along them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from textual.app import ComposeResult
from textual.containers import Container

from workbench.core.text import cells, clean, cut
from workbench.tui.modes.metrics.curve_figures import Curves, Operating, best_threshold, operating, specs, thresholds
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.drawing import FAR, Caption, Moving

_CHARTS: Final = ("roc", "pr", "calibration")
_PAGE: Final = 10


class CurveView(Moving, Container, can_focus=True):
    """Left and right move the threshold, up and down go to another class."""

    DEFAULT_CSS = """
    CurveView { layout: vertical; }
    CurveView Caption { background: $boost; }
    CurveView:focus Caption { background: $primary-muted; }
    CurveView #pictures { layout: grid; grid-size: 2 2; grid-gutter: 0 1; height: 1fr; }
    CurveView #calibration { column-span: 2; }
    """

    def __init__(self, *, id: str | None = None, plain: bool = False) -> None:
        super().__init__(id=id)
        self._plain = plain
        self._curves: Curves | None = None
        self._values: Mapping[str, float] = {}
        self._label = ""
        self._threshold: float | None = None

    def compose(self) -> ComposeResult:
        yield Caption(id="threshold")
        with Container(id="pictures"):
            for name in _CHARTS:
                yield Chart(id=name, plain=self._plain)

    def show(self, curves: Curves, values: Mapping[str, float]) -> None:
        """Other curves. The class stays where it is among them; the threshold goes to where F1 is best."""
        if curves != self._curves:
            kept = self._label in curves.labels
            self._curves, self._values = curves, values
            self._choose(self._label if kept else next(iter(curves.labels), ""))

    @property
    def here(self) -> Operating | None:
        """The class and the threshold that are looked at, and what they give."""
        if self._curves is None or self._threshold is None:
            return None
        return operating(self._curves, self._label, self._threshold)

    def _choose(self, label: str) -> None:
        assert self._curves is not None
        self._label = label
        self._threshold = best_threshold(self._curves, label)
        self._draw()

    def _draw(self) -> None:
        if self._curves is None:
            return
        here = self.here
        for name, spec in specs(self._curves, here, self._values).items():
            self.query_one(f"#{name}", Chart).draw(spec)
        self.query_one("#threshold", Caption).show(*self._words(here))

    def _words(self, here: Operating | None) -> tuple[str, str]:
        if here is None:
            return "no class has a threshold to choose", ""
        chosen = f"{cut(clean(here.label), 24)} from {here.threshold:.4f} on"
        gives = f"precision {here.precision:.3f}  recall {here.recall:.3f}  F1 {here.f1:.3f}"
        alarms = "" if here.alarms is None else f"  false alarms {here.alarms:.3f}"
        room = self.app.size.width - cells(chosen) - cells(gives) - 4
        return chosen, gives + (alarms if cells(alarms) <= room else "")

    # -- moving --------------------------------------------------------------------------------------------------

    def move(self, rows: int, columns: int) -> None:
        """By class up and down; along the thresholds by one, a page of them, or to the ends."""
        if abs(rows) == 1:
            self._across(rows)
        else:
            self._along(columns + (rows if abs(rows) == FAR else max(-_PAGE, min(rows, _PAGE))))

    def _along(self, by: int) -> None:
        if self._curves is not None and self._threshold is not None:
            every = thresholds(self._curves, self._label)
            place = every.index(self._threshold) + by
            self._threshold = every[max(0, min(place, len(every) - 1))]
            self._draw()

    def _across(self, by: int) -> None:
        labels = () if self._curves is None else self._curves.labels
        if self._label in labels:
            place = max(0, min(labels.index(self._label) + by, len(labels) - 1))
            if labels[place] != self._label:
                self._choose(labels[place])
