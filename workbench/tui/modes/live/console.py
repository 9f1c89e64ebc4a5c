"""The console of a run as large as the screen, with its traceback and all its warnings."""

from __future__ import annotations

from textual.content import Content

from workbench.tui.modes.live.requests import LiveBody
from workbench.tui.text_screen import Sheet


class OutputScreen(Sheet):
    """Opens at the end."""

    def __init__(self, body: LiveBody, lines: tuple[str, ...]) -> None:
        super().__init__("Console", output_content(body, lines), from_end=True)


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
