"""What a model answers to what is typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.contracts.answers import Answer
from workbench.display.answers import answer_lines
from workbench.display.spans import Line
from workbench.tui.widgets.drawing import Drawing


class AnswerView(Drawing):
    """One answer, and the row it is to; nothing before the first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.answer: Answer | None = None
        self._row: Mapping[str, str] = {}
        self._order: Sequence[str] = ()

    def show(self, answer: Answer, row: Mapping[str, str], order: Sequence[str]) -> None:
        """`order` is that of the model's labels."""
        self.answer, self._row, self._order = answer, row, order
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        return answer_lines(self.answer, self._row, width, height, self._order) if self.answer else []
