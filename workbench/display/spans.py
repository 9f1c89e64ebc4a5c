"""What is shown as lines of spans: text and what it means, so that it can be read in a test and printed anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from workbench.core.text import cells, cut
from workbench.display.wrap import wrap

# Every style there is. The screens give each its colours in one place, `workbench.tui.widgets.styles`.
StyleName = Literal[
    "", "bold", "muted", "faint", "track", "head", "title", "accent", "key", "good", "warn", "bad", "best", "bar",
    "faint-bar", "right", "wrong", "even", "odd", "special", "unknown", "cut-even", "cut-odd", "cut-special",
    "cut-unknown", "token-cursor",
    "series-0", "series-1", "series-2", "series-3", "series-4", "series-5", "series-6", "series-7",
    "faint-series-0", "faint-series-1", "faint-series-2", "faint-series-3", "faint-series-4", "faint-series-5",
    "faint-series-6", "faint-series-7",
]  # fmt: skip


class Span(NamedTuple):
    """Text that is already safe to show, and what it means.

    `heat` says how warm a cell of a heat map is (0 to 1), `cursor` that the cursor is on it, `action` what a click
    does.
    """

    text: str
    style: StyleName = ""
    heat: float = 0.0
    cursor: bool = False
    action: str = ""


Line = tuple[Span, ...]


def line(*parts: str | Span | tuple[str, StyleName]) -> Line:
    """A line of texts, each alone or with its style."""
    return tuple(Span(part) if isinstance(part, str) else Span(*part) for part in parts)


def plain(lines: Iterable[Line]) -> list[str]:
    """The lines as a terminal without colour shows them, trailing spaces dropped."""
    return ["".join(span.text for span in line).rstrip() for line in lines]


def width_of(line: Line) -> int:
    """In cells."""
    return sum(cells(span.text) for span in line)


def fitted(line: Line, width: int, *, right: bool = False) -> Line:
    """A line cut, or filled with spaces, to exactly `width` cells, flush left or right."""
    room = width - width_of(line)
    if room > 0:
        return (Span(" " * room), *line) if right else (*line, Span(" " * room))
    shown: list[Span] = []
    left = width
    for span in line if room else ():
        text = cut(span.text, left)
        shown.append(span._replace(text=text))
        left -= cells(text)
        if text != span.text:
            break
    return (*shown, Span(" " * left)) if room else line


def folded(spans: Sequence[Span], width: int) -> list[Line]:
    """A text of several spans, folded as one to `width` cells."""
    whole = "".join(span.text for span in spans)
    lines: list[Line] = []
    at = 0
    for line in wrap(whole, width):
        # A fold swallows the spaces or the line feed it was made at: find where the line really stands.
        at = whole.index(line, at)
        lines.append(_between(spans, at, at + len(line)))
        at += len(line)
    return lines


def _between(spans: Sequence[Span], start: int, end: int) -> Line:
    found, at = [], 0
    for span in spans:
        text = span.text[max(0, start - at) : max(0, end - at)]
        found += [span._replace(text=text)] if text else []
        at += len(span.text)
    return tuple(found)
