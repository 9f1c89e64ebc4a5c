"""The console of a run as large as the screen, with its traceback and all its warnings."""

from __future__ import annotations

from workbench.display.spans import Line, line
from workbench.tui.modes.live.requests import LiveBody
from workbench.tui.text_screen import Sheet


class OutputScreen(Sheet):
    """Opens at the end."""

    def __init__(self, body: LiveBody, lines: tuple[str, ...]) -> None:
        super().__init__("Console", output_lines(body, lines), from_end=True)


def output_lines(body: LiveBody, console: tuple[str, ...]) -> list[Line]:
    """Warnings, the console's lines, and how it ended, in reading order."""
    shown: list[Line] = []
    for warning in body.warnings:
        place = f"step {warning.step}: " if warning.step is not None else ""
        shown.append(line((f"! {place}{warning.text}", "warn")))
    shown += [line(text) for text in console] or [line(("the console is empty", "muted"))]
    if body.end is not None:
        shown += [line(text) for text in body.end.traceback.splitlines()]
        shown.append(line((f"{body.end.state}: {body.end.reason}" if body.end.reason else body.end.state, "bold")))
    return shown
