"""Text as a model writes it, going on from its prompt."""

from __future__ import annotations

from workbench.core.text import clean
from workbench.display.spans import Line, Span, folded
from workbench.tui.widgets.drawing import Drawing


def generated_lines(prompt: str, text: str, width: int) -> list[Line]:
    """Prompt and text folded as one; both are clean already. The prompt is muted."""
    return folded([Span(prompt, "muted"), Span(text)], width)


class GeneratedText(Drawing, can_focus=True):
    """Shows the end while text arrives; up and down scroll once it is focused."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.prompt = self.written = ""
        self._above = 0

    def begin(self, prompt: str) -> None:
        """A new text, going on from `prompt`."""
        self.prompt, self.written, self._above = clean(prompt, newlines=True), "", 0
        self.update_lines()

    def add(self, piece: str) -> None:
        """More of it, cleaned here."""
        self.written += clean(piece, newlines=True)
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        every = generated_lines(self.prompt, self.written, width)
        self._above = max(0, min(self._above, len(every) - height))
        end = len(every) - self._above
        return every[max(0, end - height) : end]

    def move(self, rows: int, columns: int) -> None:
        self._above -= rows
        self.update_lines()
