"""Every key of the current pane, from the bindings table."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.core.text import cells, pad
from workbench.display.spans import Line, line
from workbench.tui.bindings import ShortcutGroup
from workbench.tui.widgets.styles import content


class HelpScreen(ModalScreen[None]):
    """The groups one under the other; scrolls."""

    BINDINGS = [
        Binding("escape,question_mark,q", "dismiss_help", "close"),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
        Binding("g", "scroll('home')", show=False),
        Binding("G", "scroll('end')", show=False),
    ]

    def __init__(self, title: str, groups: list[ShortcutGroup]) -> None:
        super().__init__()
        self._title, self._groups = title, groups

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="sheet") as sheet:
            sheet.border_title = f"Keys in {self._title}"
            sheet.border_subtitle = "esc closes"
            yield Static(content(help_lines(self._groups), self))

    def action_dismiss_help(self) -> None:
        self.dismiss()

    def action_scroll(self, direction: str) -> None:
        getattr(self.query_one(VerticalScroll), f"scroll_{direction}")(animate=False)


def help_lines(groups: list[ShortcutGroup]) -> list[Line]:
    """Keys flush left in one column, what they do in the other."""
    width = max((cells(row.shown) for group in groups for row in group.rows), default=0) + 3
    lines: list[Line] = []
    for group in groups:
        rows = (line((pad(f" {row.shown}", width), "accent"), f" {row.help}") for row in group.rows)
        lines += [*([()] if lines else []), line((group.title, "title")), *rows]
    return lines
