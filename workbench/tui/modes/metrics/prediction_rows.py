"""The rows of one cell of a confusion matrix, worst first, loaded page by page as the cursor goes down."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.contracts.lab.prediction_requests import PredictedRow
from workbench.core.text import cells, clean, cut
from workbench.display.spans import Line, Span, line
from workbench.display.wrap import wrap
from workbench.tui.widgets.table import Column, Row, TableSource, TableWindow, VirtualTable

PAGE = 50
_PREVIEW = 5
_BOTH = "true → predicted"


class CellRows(TableSource):
    """Loss, probability, place and text of the rows that are loaded, of `whole` that there are.

    Where the rows differ in what they are or were predicted to be, a column says both.
    """

    def __init__(self) -> None:
        self.rows: list[PredictedRow] = []
        self.whole = 0
        self._asked = 0

    def add(self, rows: Sequence[PredictedRow], whole: int) -> None:
        """More of them."""
        self.rows.extend(rows)
        self.total = len(self.rows)
        self.whole = whole if rows else self.total

    def columns(self, width: int, window: TableWindow) -> Sequence[Column]:
        rows = [self.rows[place] for place in window.indices]
        alike = len({(row.label, row.prediction) for row in rows}) < 2
        widest = max((cells(_both(row)) for row in rows), default=0)
        both = 0 if alike else max(min(widest, width * 2 // 5), len(_BOTH))
        probability = 7 if any(row.probability is not None for row in rows) else 0
        return (
            Column("loss", "loss", 8, right=True),
            Column("probability", "prob.", probability, right=True, gap=0),
            Column("row", "row", 7, right=True, gap=1),
            Column("both", _BOTH, both, gap=2 if both else 0),
            Column("text", "text", 0, grow=True),
        )

    def row(self, place: int) -> Row:
        row = self.rows[place]
        probability = "–" if row.probability is None else f"{row.probability:.3f}"
        figures = (f"{row.loss:.4f}", probability, str(row.row))
        both = line((_both(row), "good" if row.label == row.prediction else "bad"))
        return Row(str(place), [*map(line, figures), both, line(clean(row.text[:2000]))])

    def missing(self, window: TableWindow, cursor: int) -> int | None:
        """More of them when the cursor comes near the end of what is loaded, once."""
        if not self._asked < self.total < self.whole or cursor < self.total - PAGE // 2:
            return None
        self._asked = self.total
        return self.total


def _both(row: PredictedRow) -> str:
    label, prediction = clean(row.label[:200]), clean(row.prediction[:200])
    return label if label == prediction else f"{label} → {prediction}"


def _preview_lines(row: PredictedRow, place: str, width: int, height: int) -> list[Line]:
    rule = cut(f"── {place} " + "─" * width, width, ellipsis="")
    said = _said(row, width, height)
    text = clean(row.text[: width * height * 2], newlines=True)
    return [(Span(rule, "muted"),), *said, *(line(part) for part in wrap(text, width, height - len(said)))]


def _said(row: PredictedRow, width: int, height: int) -> list[Line]:
    """What the row is and what was predicted: on a line, or one each where they are long."""
    label, prediction = clean(row.label[:2000]), clean(row.prediction[:2000])
    whole = f"{label} → {prediction}"
    if cells(whole) <= width or height < 4:
        return [(Span(cut(whole, width), "good" if label == prediction else "bad"),)]
    return [(Span(cut(f"true       {label}", width), "good"),), (Span(cut(f"predicted  {prediction}", width), "bad"),)]


class PredictionRows(VirtualTable):
    """Asks for more near its end. Below the rows, where there is room, the one under the cursor as a whole."""

    def __init__(self, *, id: str | None = None) -> None:
        self.shown = CellRows()
        super().__init__(self.shown, id=id)

    def clear_rows(self) -> None:
        """Forget every row; nothing is asked for."""
        self.shown = CellRows()
        self.show(self.shown, afresh=True)

    def add_page(self, offset: int, rows: Sequence[PredictedRow], whole: int) -> None:
        """A page that was asked for. One that does not follow what is here already is dropped."""
        if offset == len(self.rows):
            self.shown.add(rows, whole)
            self.show(self.shown)

    @property
    def rows(self) -> Sequence[PredictedRow]:
        return self.shown.rows

    @property
    def under(self) -> PredictedRow | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.rows else None

    def room(self, height: int) -> int:
        preview = _preview(height)
        return height - 1 - (preview + 1 if preview else 0)

    def lines(self, width: int, height: int) -> list[Line]:
        shown, preview, row = super().lines(width, height), _preview(height), self.under
        if preview and row is not None:
            shown += _preview_lines(row, f"{self.cursor + 1} of {self.shown.whole}", width, preview)
        return shown


def _preview(height: int) -> int:
    """Lines for the row under the cursor."""
    return min(_PREVIEW, height - 6) if height >= 9 else 0
