"""The foot of Live: how a run ended, its warnings, what is trained, what happened last, and the console's end."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.core.text import cut
from workbench.display.spans import Line, Span, StyleName
from workbench.tui.modes.live.requests import LiveBody
from workbench.tui.widgets.drawing import Drawing

Part = tuple[str, StyleName]


class Tail(Drawing):
    """As many of the lines as fit; what matters more comes first."""

    DEFAULT_CSS = """
    Tail { height: 5; width: 100%; border-top: solid $foreground 20%; padding: 0 1; }
    Tail.-tall { height: 11; }
    """

    def tell(self, body: LiveBody) -> None:
        """Show what `body` says at the foot."""
        self._body = body
        self._make_room(body)
        self._settle()
        self.update_lines()

    def allow_tall(self, allowed: bool) -> None:
        """Whether the screen has the room for more than a few lines."""
        self._roomy = allowed
        self._settle()

    def _settle(self) -> None:
        body = self._body
        said = 0 if body is None else len(body.console) + len(body.warnings) + len(body.journal) + bool(body.trained)
        self.set_class(self._roomy and said > 4, "-tall")

    def _make_room(self, body: LiveBody) -> None:
        """A traceback gets the lines it needs, as long as the charts keep half of the screen."""
        traceback = len(body.end.traceback.splitlines()) if body.end is not None and has_failed(body) else 0
        needed = min(traceback + 5, max(5, self.screen.size.height * 45 // 100)) if traceback else None
        if needed != self._needed:
            self._needed = needed
            self.styles.height = needed

    _body: LiveBody | None = None
    _needed: int | None = None
    _roomy = False

    def lines(self, width: int, height: int) -> list[Line]:
        shown = foot(self._body, max(1, height)) if self._body is not None else []
        return [(Span(cut(text, width), style),) for text, style in shown]


def has_failed(body: LiveBody) -> bool:
    return body.end is not None and body.run.state in ("failed", "killed", "lost", "diverged")


def foot(body: LiveBody, height: int) -> list[Part]:
    """Lines with their styles: the end, its traceback, the newest warnings, what is trained, the news, the console."""
    head: list[Part] = []
    if has_failed(body) and body.end is not None:
        head.append((f"{body.run.state}: {body.end.reason or 'no reason was recorded'}", "bad"))
        head += [(line, "") for line in body.end.traceback.splitlines()[-(height - 2) :]] if height > 2 else []
    elif body.run.state == "lost":
        head.append((f"lost: {body.run.reason or 'its processes are gone and left no word'}", "bad"))
    head += [(f"! {sign}", "warn") for sign in body.news.signs.get(body.run.id, ())]
    head += warnings(body, max(1, height // 3))
    if body.trained and len(head) < height:
        head.append((body.trained, "accent"))
    room = height - len(head)
    if room <= 0:
        return head[:height]
    # The console gets a third of what is left, and what the news leave.
    for_console = min(len(body.console), max(room // 3, room - len(body.journal)))
    news: list[Part] = [(line, "") for line in _last(body.journal, room - for_console)]
    return [*head, *news, *((line, "muted") for line in _last(body.console, for_console))]


def _last(lines: Sequence[str], count: int) -> Sequence[str]:
    return lines[max(0, len(lines) - count) :]


def warnings(body: LiveBody, most: int) -> list[Part]:
    """The newest warnings, one a line, and how many more there are."""
    shown = body.warnings[-most:]
    more = len(body.warnings) - len(shown)
    lines: list[Part] = [
        (
            f"! {f'step {warning.step}: ' if warning.step is not None else ''}{warning.text}{_times(warning.count)}",
            "warn",
        )
        for warning in shown
    ]
    if more and lines:
        lines[0] = (f"{lines[0][0]}  (and {more} before)", "warn")
    return lines


def _times(count: int) -> str:
    return f"  ×{count:,}" if count > 1 else ""
