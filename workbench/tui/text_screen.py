"""A text as large as the screen, over whatever is there."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.display.spans import Line
from workbench.tui.widgets.styles import content


class Sheet(ModalScreen[None]):
    """Scrolls; with `from_end` it opens at its end."""

    BINDINGS = [
        Binding("escape,O,q", "close", "close"),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
        Binding("g", "scroll('home')", show=False),
        Binding("G", "scroll('end')", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[Line], *, from_end: bool = False) -> None:
        super().__init__()
        self._title, self._lines, self._from_end = title, lines, from_end

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="sheet -whole") as sheet:
            sheet.border_title = self._title
            sheet.border_subtitle = "esc closes"
            yield Static(content(self._lines, self))

    def on_mount(self) -> None:
        if self._from_end:
            self.call_after_refresh(self.action_scroll, "end")

    def action_close(self) -> None:
        self.dismiss()

    def action_scroll(self, direction: str) -> None:
        getattr(self.query_one(VerticalScroll), f"scroll_{direction}")(animate=False)
