"""The confusion matrix, shaded by the share of its row, and the table of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.geometry import Size
from textual.message import Message

from workbench.contracts.events.eval_event import ClassScores
from workbench.core.text import cells, clean, cut, pad
from workbench.display.spans import Line, Span, StyleName, line, width_of
from workbench.display.wrap import wrap
from workbench.metrics.confusion import Confusion, macro
from workbench.tui.widgets.drawing import Drawing
from workbench.tui.widgets.table import Column, Row, TableSource, TableWindow, VirtualTable

CORNER = "true \\ pred."
UNDEFINED = "–"
_WIDEST_NAME, _WIDEST_CELL = 20, 14
_HEAD_LINES = 3


@dataclass(frozen=True)
class Measures:
    """Widths in cells of the name column and of each count column, and lines of the head."""

    name: int
    cell: int
    head: int

    @classmethod
    def of(cls, matrix: Confusion, width: int, height: int) -> Measures:
        """Names whole where they fit, else folded or cut; a count is never cut."""
        widest = max(cells(clean(label)) for label in matrix.labels)
        digits = len(str(max(map(max, matrix.counts))))
        name = max(cells(CORNER), min(widest, _WIDEST_NAME, max(6, width // 3)))
        fair = (width - name - 1) // matrix.size
        cell = max(digits + 2, 7, min(fair, widest + 3, _WIDEST_CELL))
        most = 1 if height < 8 else _HEAD_LINES
        head = max(len(wrap(clean(label), cell - 2, most)) for label in matrix.labels)
        return cls(name, cell, head)


def matrix_lines(
    matrix: Confusion, cursor: tuple[int, int], width: int, height: int, first: tuple[int, int] = (0, 0)
) -> tuple[list[Line], tuple[int, int]]:
    """The part of the matrix around the cursor, in `width` × `height` cells, and the row and column it starts with.

    The cell under the cursor stands in brackets. Where not all fits, the last line says what is shown.
    """
    measures = Measures.of(matrix, width, height)
    columns = TableWindow.around(cursor[1], (width - measures.name - 1) // measures.cell, matrix.size, first[1])
    rows = TableWindow.around(cursor[0], height - measures.head, matrix.size, first[0])
    if not (rows.whole and columns.whole):
        rows = TableWindow.around(cursor[0], height - measures.head - 1, matrix.size, first[0])
    lines = _names(matrix, measures, columns)
    lines += [_row(matrix, row, cursor, measures, columns) for row in rows.indices]
    if not (rows.whole and columns.whole):
        lines.append((Span(cut(f"rows {rows}, columns {columns}", width), "muted"),))
    return lines, (rows.first, columns.first)


def _names(matrix: Confusion, measures: Measures, columns: TableWindow) -> list[Line]:
    """The head: each name folded into its column, standing on the last line."""
    folded = [_folded(matrix.labels[column], measures) for column in columns.indices]
    lines: list[Line] = []
    for place in range(measures.head):
        corner = CORNER if place == measures.head - 1 else ""
        heads = "".join(pad(name[place] + " ", measures.cell, right=True) for name in folded)
        lines.append((Span(pad(corner, measures.name + 1), "muted"), Span(heads, "head")))
    return lines


def _folded(label: str, measures: Measures) -> list[str]:
    room = measures.cell - 2
    label = clean(label)
    parts = wrap(label, room, measures.head)
    if sum(map(len, parts)) < len(label.replace(" ", "")):
        parts[-1] = cut(parts[-1] + "…" * 2, room)
    return [""] * (measures.head - len(parts)) + parts


def _row(matrix: Confusion, row: int, cursor: tuple[int, int], measures: Measures, columns: TableWindow) -> Line:
    name = Span(pad(clean(matrix.labels[row]), measures.name) + " ", "head" if row == cursor[0] else "")
    return (name, *(_cell(matrix, row, column, cursor, measures.cell) for column in columns.indices))


def _cell(matrix: Confusion, row: int, column: int, cursor: tuple[int, int], width: int) -> Span:
    count = str(matrix.counts[row][column])
    if (row, column) == cursor:
        return Span(pad(f"[{count}]", width, right=True), cursor=True)
    style: StyleName = "right" if row == column else "wrong"
    return Span(pad(f"{count} ", width, right=True), style, matrix.share(row, column))


def ratio_text(value: float | None) -> str:
    """Three decimals; a ratio that is undefined is a dash."""
    return UNDEFINED if value is None else f"{value:.3f}"


_HEADS = (("support", 9), ("precision", 11), ("recall", 9), ("specificity", 13), ("F1", 8))
_SHORT = (("supp.", 7), ("prec.", 7), ("rec.", 7), ("spec.", 7), ("F1", 7))


class ClassRows(TableSource):
    """Support, precision, recall, specificity and F1 of each class, and their macro means last, always shown.

    Heads are shortened where the width wants it. Undefined ratios are dashes, and count as 0 in the means.
    """

    def __init__(self, classes: Sequence[ClassScores]) -> None:
        self.classes = classes
        self.total = len(classes)
        self.foot = _class_row(macro(classes), "muted") if classes else None

    def columns(self, width: int, window: TableWindow) -> Sequence[Column]:
        widest = max((cells(clean(entry.label)) for entry in self.classes), default=5)
        heads = _HEADS if width >= sum(size for _, size in _HEADS) + min(widest, 14) else _SHORT
        name = max(5, min(widest, _WIDEST_NAME, width - sum(size for _, size in heads)))
        title = "class" if window.whole else cut(f"class {window}", name)
        return Column("class", title, name), *(Column(head, head, size, right=True, gap=0) for head, size in heads)

    def row(self, place: int) -> Row:
        return _class_row(self.classes[place])


def _class_row(entry: ClassScores, style: StyleName = "") -> Row:
    figures = (clean(entry.label), str(entry.support), *map(ratio_text, entry.ratios))
    return Row(entry.label, [line((text, style)) for text in figures])


class ConfusionMatrix(Drawing, can_focus=True):
    """The matrix with a cursor moved by arrows or hjkl; enter opens the rows of the cell under it."""

    @dataclass
    class CellOpened(Message):
        """Enter was pressed on a cell."""

        true: str
        predicted: str
        count: int

    @dataclass
    class CellMoved(Message):
        """The cursor stands on another cell."""

        row: int
        column: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.matrix: Confusion | None = None
        self.cursor = (0, 0)
        self._first = (0, 0)

    def show(self, matrix: Confusion | None) -> None:
        """Another matrix. The cursor stays where the labels are the same, else it goes to the worst mistake."""
        same = self.matrix is not None and matrix is not None and self.matrix.labels == matrix.labels
        self.matrix = matrix
        if matrix is not None and not same:
            self.cursor, self._first = _worst(matrix), (0, 0)
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        if self.matrix is None or width < 1:
            return []
        drawn, self._first = matrix_lines(self.matrix, self.cursor, width, height, self._first)
        return drawn

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as its cells, at most a little over half of the container."""
        lines = self.lines(container.width * 55 // 100, 1000)
        return max((width_of(line) for line in lines), default=0)

    def move(self, rows: int, columns: int) -> None:
        if self.matrix is None:
            return
        last = self.matrix.size - 1
        row, column = self.cursor
        self.cursor = (min(max(row + rows, 0), last), min(max(column + columns, 0), last))
        self.update_lines()
        self.post_message(self.CellMoved(*self.cursor))

    def open(self) -> None:
        if self.matrix is None:
            return
        row, column = self.cursor
        labels = self.matrix.labels
        self.post_message(self.CellOpened(labels[row], labels[column], self.matrix.counts[row][column]))


def _worst(matrix: Confusion) -> tuple[int, int]:
    """The mistake made most often; the first cell where there is none."""
    cells_ = [(row, column) for row in range(matrix.size) for column in range(matrix.size) if row != column]
    worst = max(cells_, key=lambda cell: matrix.counts[cell[0]][cell[1]], default=(0, 0))
    return worst if matrix.counts[worst[0]][worst[1]] else (0, 0)


class ClassTable(VirtualTable, can_focus=False):
    """Per-class figures; the class of the matrix's cursor row is kept in view."""

    def put(self, classes: Sequence[ClassScores], cursor: int = 0) -> None:
        """Other figures, or another class under the cursor."""
        self.cursor = cursor
        self.show(ClassRows(classes))
