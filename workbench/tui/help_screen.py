"""Every key of the current pane, from the bindings table."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.core.text import cells, pad
from workbench.tui.bindings import Group


class HelpScreen(ModalScreen[None]):
    """The groups one under the other; scrolls."""

    BINDINGS = [
        Binding("escape,question_mark,q", "dismiss_help", "close"),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
        Binding("g", "scroll('home')", show=False),
        Binding("G", "scroll('end')", show=False),
    ]

    def __init__(self, title: str, groups: list[Group]) -> None:
        super().__init__()
        self._title, self._groups = title, groups

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="sheet") as sheet:
            sheet.border_title = f"Keys in {self._title}"
            sheet.border_subtitle = "esc closes"
            yield Static(help_content(self._groups))

    def action_dismiss_help(self) -> None:
        self.dismiss()

    def action_scroll(self, direction: str) -> None:
        getattr(self.query_one(VerticalScroll), f"scroll_{direction}")(animate=False)


def help_content(groups: list[Group]) -> Content:
    """Keys flush left in one column, what they do in the other."""
    width = max((cells(row.shown) for group in groups for row in group.rows), default=0) + 2
    lines: list[Content] = []
    for group in groups:
        lines += [Content.styled(group.title, "bold $text-primary")]
        for row in group.rows:
            lines.append(Content.assemble((pad(f" {row.shown}", width + 1), "$text-accent"), " ", row.help))
        lines.append(Content(""))
    return Content("\n").join(lines[:-1])
