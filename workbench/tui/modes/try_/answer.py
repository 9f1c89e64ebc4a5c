"""What a model answers to what is typed."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.display.answers import Answer
from workbench.display.spans import Line
from workbench.tui.widgets.drawing import Drawing


class AnswerView(Drawing):
    """One answer, and the row it is to; nothing before the first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.answer: Answer | None = None
        self._row: Mapping[str, str] = {}

    def show(self, answer: Answer, row: Mapping[str, str]) -> None:
        self.answer, self._row = answer, row
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        return self.answer.lines(self._row, width, height) if self.answer else []
