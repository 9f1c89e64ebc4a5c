"""What is shown as lines of spans: text and what it means, so that it can be read in a test and printed anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from workbench.core.text import cells
from workbench.display.wrap import wrap


class Span(NamedTuple):
    """Text that is already safe to show, what it means, and for a heat cell how much (0 to 1)."""

    text: str
    role: str = ""
    heat: float = 0.0


Line = tuple[Span, ...]


def plain(lines: Iterable[Line]) -> list[str]:
    """The lines as a terminal without colour shows them, trailing spaces dropped."""
    return ["".join(span.text for span in line).rstrip() for line in lines]


def width_of(line: Line) -> int:
    """In cells."""
    return sum(cells(span.text) for span in line)


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
