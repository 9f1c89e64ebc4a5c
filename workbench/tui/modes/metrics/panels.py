"""What the Metrics pane is looking at, and what of it is on screen: pure functions of the state, tested as such."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from workbench.tui.modes.metrics.requests import EvaluatedRun, Evaluation, Shown

# Below the table of runs there is one of three panels.
Panel = Literal["evaluation", "rows", "curves"]

WIDE: Final = 110
TALL: Final = 36


class MatrixCell(NamedTuple):
    """The rows that are `true` and were predicted to be `predicted`; None is any."""

    true: str | None = None
    predicted: str | None = None

    @property
    def words(self) -> str:
        return "worst first" if self == (None, None) else f"{self.true} predicted as {self.predicted}"


EVERY_ROW: Final = MatrixCell()


@dataclass(frozen=True)
class MetricsState:
    """What the user has chosen: the rows panel is of `cell`, `compared` are two runs and the split they share."""

    split: str | None = None
    shown: Shown = "best"
    panel: Panel = "evaluation"
    cell: MatrixCell = EVERY_ROW
    compared: tuple[str, ...] = ()
    comparison: tuple[str, str] | None = None  # what came of it: against which run, and the figures

    def over(self, evaluated: EvaluatedRun) -> MetricsState:
        """The state over these evaluations: a split that is there, and no panel of one that is gone."""
        split = self.split if self.split in evaluated.splits else next(iter(evaluated.splits), None)
        entry = evaluated.shown(split) if split else None
        stays = split == self.split and entry is not None and (self.panel != "curves" or entry.curves is not None)
        return replace(self, split=split, panel=self.panel if stays else "evaluation")


@dataclass(frozen=True)
class Layout:
    """The ids of what is on screen, and how high the matrix, the scores and the evaluation as a whole may be."""

    widgets: frozenset[str]
    matrix: str = "100%"
    scores: str = "100%"
    evaluation: int | None = None

    @classmethod
    def of(
        cls, state: MetricsState, evaluated: EvaluatedRun, entry: Evaluation | None, width: int, height: int
    ) -> Layout:
        """A narrow screen has one thing at a time; a tall one has room for the curves without being asked."""
        wide, rows = width >= WIDE, state.panel == "rows"
        around = {"about", *(["paired"] if state.comparison else [])}
        around |= {"metrics"} if wide or state.panel == "evaluation" else set()
        if entry is None:
            return cls(frozenset(around))
        if state.panel == "curves":
            return cls(frozenset(around | {"curves"}))
        matrix = "100%" if wide else "40%" if rows else "55%"
        scores = "100%" if wide or not evaluated.samples else "50%"
        below = entry.curves is not None and bool(entry.classes) and height >= TALL and not rows
        parts = _language(evaluated, rows, wide) if not entry.classes else _classes(entry, rows)
        shown = around | {"evaluation"} | parts | ({"curves"} if below else set())
        return cls(frozenset(shown), matrix, scores, _shared(entry, wide, height) if below else None)


def _classes(entry: Evaluation, rows: bool) -> set[str]:
    return {"rows" if rows else "classes", *(["confusion"] if entry.confusion is not None else [])}


def _language(evaluated: EvaluatedRun, rows: bool, wide: bool) -> set[str]:
    beside = {"rows"} if rows else {"samples"} if evaluated.samples else set()
    return beside | ({"scores"} if wide or not rows else set())


def _shared(entry: Evaluation, wide: bool, height: int) -> int:
    """The lines that the classes want: the curves get what they leave."""
    return min(len(entry.classes) + 5 if wide else 2 * len(entry.classes) + 8, height // 2)
