"""The console of a run as large as the screen, with its traceback and all its warnings."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.tui.live_data import LiveBody


class OutputScreen(ModalScreen[None]):
    """Opens at the end; scrolls."""

    BINDINGS = [
        Binding("escape,o,q", "close", "close"),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
        Binding("g", "scroll('home')", show=False),
        Binding("G", "scroll('end')", show=False),
    ]

    def __init__(self, body: LiveBody, lines: tuple[str, ...]) -> None:
        super().__init__()
        self._body, self._lines = body, lines

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="sheet -whole") as sheet:
            sheet.border_title = "Console"
            sheet.border_subtitle = "esc closes"
            yield Static(output_content(self._body, self._lines))

    def on_mount(self) -> None:
        self.call_after_refresh(self.action_scroll, "end")

    def action_close(self) -> None:
        self.dismiss()

    def action_scroll(self, direction: str) -> None:
        getattr(self.query_one(VerticalScroll), f"scroll_{direction}")(animate=False)


def output_content(body: LiveBody, lines: tuple[str, ...]) -> Content:
    """Warnings, the console's lines, and how it ended, in reading order."""
    parts: list[Content] = []
    for warning in body.warnings:
        place = f"step {warning.step}: " if warning.step is not None else ""
        parts.append(Content.styled(f"! {place}{warning.text}", "$text-warning"))
    parts += [Content(line) for line in lines] or [Content.styled("the console is empty", "$foreground 60%")]
    if body.end is not None:
        parts += [Content(line) for line in body.end.traceback.splitlines()]
        ended = f"{body.end.state}: {body.end.reason}" if body.end.reason else body.end.state
        parts.append(Content.styled(ended, "bold"))
    return Content("\n").join(parts)
