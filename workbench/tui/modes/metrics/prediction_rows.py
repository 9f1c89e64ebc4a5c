"""The rows of one cell of a confusion matrix, worst first, loaded page by page as the cursor goes down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.message import Message

from workbench.core.text import cells, clean, cut, pad
from workbench.display.spans import Line, Span
from workbench.display.wrap import wrap
from workbench.tui.modes.metrics.confusion_matrix import Window
from workbench.tui.widgets.drawing import Drawing

PAGE = 50
_PREVIEW = 5
_BOTH = "true → called"


@dataclass(frozen=True)
class PredictedRow:
    """A row of a split, and what the model made of it."""

    row: int
    label: str
    prediction: str
    probability: float | None
    loss: float
    text: str

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> PredictedRow:
        """From `predictions.page`."""
        loss, probability = record.get("loss"), record.get("probability")
        return cls(
            row=int(record["row"]),
            label=str(record["label"]),
            prediction=str(record["prediction"]),
            probability=None if probability is None else float(probability),
            loss=math.nan if loss is None else float(loss),
            text=str(record["text"]),
        )


def row_lines(
    rows: Sequence[PredictedRow], total: int, cursor: int, width: int, height: int, first: int = 0
) -> tuple[list[Line], int]:
    """The list around the cursor, and below it, where there is room, the row under the cursor as a whole.

    Where the rows differ in what they are or were called, a column says both.
    """
    preview = min(_PREVIEW, height - 6) if height >= 9 else 0
    window = Window.around(cursor, height - 1 - (preview + 1 if preview else 0), len(rows), first)
    sizes = _Sizes.of([rows[i] for i in window.indices] if rows else [], width)
    lines: list[Line] = [_head(sizes, width)]
    lines += [_row_line(rows[i], sizes, width, i == cursor) for i in window.indices if rows]
    if preview and rows:
        lines += [()] * (window.count + 1 - len(lines))
        lines += _preview_lines(rows[cursor], f"{cursor + 1} of {total}", width, preview)
    return lines, window.first


@dataclass(frozen=True)
class _Sizes:
    """Widths in cells: of the probability, 0 where no row has one, and of what a row is and was called."""

    probability: int
    called: int

    @classmethod
    def of(cls, rows: Sequence[PredictedRow], width: int) -> _Sizes:
        alike = len({(row.label, row.prediction) for row in rows}) < 2
        widest = max((cells(_called(row)) for row in rows), default=0)
        probability = 7 if any(row.probability is not None for row in rows) or not rows else 0
        return cls(probability, 0 if alike else max(min(widest, width * 2 // 5), len(_BOTH)) + 2)


def _called(row: PredictedRow) -> str:
    label, prediction = clean(row.label[:200]), clean(row.prediction[:200])
    return label if label == prediction else f"{label} → {prediction}"


def _head(sizes: _Sizes, width: int) -> Line:
    probability = pad("prob.", sizes.probability, right=True)
    called = pad(_BOTH, sizes.called)
    return (Span(pad(f"    loss{probability}     row  {called}text", width), "head"),)


def _row_line(row: PredictedRow, sizes: _Sizes, width: int, cursor: bool) -> Line:
    probability = "–" if row.probability is None else f"{row.probability:.3f}"
    figures = f"{row.loss:8.4f}{pad(probability, sizes.probability, right=True)} {row.row:>7}  "
    called = pad(cut(_called(row), max(0, sizes.called - 2)), sizes.called)
    text = pad(clean(row.text[:2000]), max(0, width - len(figures) - sizes.called))
    if cursor:
        return (Span(figures + called + text, cursor=True),)
    return (Span(figures), Span(called, "good" if row.label == row.prediction else "bad"), Span(text))


def _preview_lines(row: PredictedRow, place: str, width: int, height: int) -> list[Line]:
    rule = cut(f"── {place} " + "─" * width, width, ellipsis="")
    said = _said(row, width, height)
    text = clean(row.text[: width * height * 2], newlines=True)
    return [(Span(rule, "muted"),), *said, *((Span(line),) for line in wrap(text, width, height - len(said)))]


def _said(row: PredictedRow, width: int, height: int) -> list[Line]:
    """What the row is and what it was called: on a line, or one each where they are long."""
    label, prediction = clean(row.label[:2000]), clean(row.prediction[:2000])
    whole = f"{label} → {prediction}"
    if cells(whole) <= width or height < 4:
        return [(Span(cut(whole, width), "good" if label == prediction else "bad"),)]
    return [(Span(cut(f"true    {label}", width), "good"),), (Span(cut(f"called  {prediction}", width), "bad"),)]


class PredictionRows(Drawing, can_focus=True):
    """A list that asks for more of itself when its cursor comes near the end of what it has."""

    @dataclass
    class Wanted(Message):
        """Rows from `offset` on are wanted."""

        offset: int

    @dataclass
    class Opened(Message):
        """Enter was pressed on a row."""

        row: PredictedRow

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.clear_rows()

    def clear_rows(self) -> None:
        """Forget every row; nothing is asked for."""
        self.rows: list[PredictedRow] = []
        self.total = 0
        self.cursor = self._first = 0
        self._asked = 0
        self._said = ""

    def wait(self, said: str) -> None:
        """Words until the first page is there."""
        if not self.rows:
            self._said = said
            self.update_lines()

    def add_page(self, offset: int, rows: Sequence[PredictedRow], total: int) -> None:
        """A page that was asked for. One that does not follow what is here already is dropped."""
        if offset != len(self.rows):
            return
        self._said = ""
        self.rows.extend(rows)
        self.total = total if rows else len(self.rows)
        self.update_lines()

    @property
    def under(self) -> PredictedRow | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.rows else None

    def lines(self, width: int, height: int) -> list[Line]:
        if self._said:
            return [(Span(cut(self._said, width), "muted"),)]
        drawn, self._first = row_lines(self.rows, self.total, self.cursor, width, height, self._first)
        return drawn

    def move(self, rows: int, columns: int) -> None:
        self.cursor = min(max(self.cursor + rows, 0), max(0, len(self.rows) - 1))
        self.update_lines()
        loaded = len(self.rows)
        if loaded < self.total and self.cursor >= loaded - PAGE // 2 and self._asked < loaded:
            self._asked = loaded
            self.post_message(self.Wanted(loaded))

    def open(self) -> None:
        if self.under is not None:
            self.post_message(self.Opened(self.under))
