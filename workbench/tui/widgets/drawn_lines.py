"""A widget made of ready lines that repaints only the cells that differ: what keeps the wire quiet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

# Two changed stretches closer than this are sent as one: moving the cursor costs about as many bytes.
_NEAR = 8

Cell = tuple[str, Style | None]


KINDS = ("dim", "good", "warn", "bad", "accent", "bold", "track", "here", "there", "live")


class Lines(Widget):
    """Shows strips given to `show`. Lines that are missing are blank."""

    COMPONENT_CLASSES = {f"lines--{kind}" for kind in KINDS}
    DEFAULT_CSS = """
    Lines {
        & > .lines--dim { color: $foreground 55%; }
        & > .lines--good { color: $text-success; }
        & > .lines--warn { color: $text-warning; }
        & > .lines--bad { color: $text-error; }
        & > .lines--accent { color: $text-accent; }
        & > .lines--bold { text-style: bold; }
        & > .lines--here { color: $text-primary; text-style: bold; }
        & > .lines--there { color: $foreground 70%; }
        & > .lines--live { color: $text-success; text-style: bold; }
        & > .lines--track { color: $foreground 20%; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []
        self._shown_width = 0

    @property
    def text(self) -> str:
        """What is shown, without styles."""
        return "\n".join(strip.text for strip in self._strips)

    def show(self, strips: Sequence[Strip]) -> None:
        """Show other lines; only what differs is painted."""
        old, self._strips = self._strips, list(strips)
        width = self.size.width
        if width != self._shown_width:
            # What was shown at another width, or before there was a place for it, may never have been painted.
            self._shown_width = width
            self.refresh()
            return
        regions: list[Region] = []
        for y in range(max(len(old), len(strips))):
            before = old[y] if y < len(old) else Strip.blank(0)
            after = strips[y] if y < len(strips) else Strip.blank(0)
            if before is not after:
                regions += [Region(x, y, length, 1) for x, length in changed(before, after, width)]
        if regions:
            self.refresh(*regions)

    def strip_of(self, *parts: str | tuple[str, str]) -> Strip:
        """A line of texts, each alone or with its kind, in the theme's colours."""
        spans = [(part, "") if isinstance(part, str) else part for part in parts]
        return Strip([Segment(text, self.style_of(kind) if kind else None) for text, kind in spans])

    def style_of(self, kind: str) -> Style:
        return self.get_component_rich_style(f"lines--{kind}", partial=True)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        if y >= len(self._strips):
            return Strip.blank(width, base)
        return self._strips[y].adjust_cell_length(width).apply_style(base)


def changed(before: Strip, after: Strip, width: int) -> Iterator[tuple[int, int]]:
    """Stretches (x, cells) in which two lines differ, neighbours joined."""
    one, other = _cells(before, width), _cells(after, width)
    start = end = -1
    for x in range(width):
        if one[x] == other[x]:
            continue
        if start >= 0 and x - end > _NEAR:
            yield start, end - start
            start = -1
        start = x if start < 0 else start
        end = x + 1
    if start >= 0:
        yield start, end - start


def _cells(strip: Strip, width: int) -> list[Cell]:
    """One entry a terminal cell; the second half of a wide character is empty."""
    found: list[Cell] = []
    for text, style, _ in Segment.filter_control(strip):
        for character in text:
            found += [(character, style)] + [("", style)] * (_size(character) - 1)
        if len(found) >= width:
            break
    return (found + [(" ", None)] * (width - len(found)))[:width]


def _size(character: str) -> int:
    from rich.cells import get_character_cell_size

    return 1 if character < "\u0300" else max(1, get_character_cell_size(character))
