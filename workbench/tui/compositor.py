"""Fewer bytes to the terminal: only the cells that a widget says are dirty.

Textual 8 cuts what it repaints at the right end of a dirty stretch only, and sends the line from the widget's left edge
each time: over SSH a moving chart costs ten times what has changed in it. This cuts at both ends, but through no
character: half of a wide one is a blank, and would stay one. Tried with textual 8.2.8, whose compositor is private.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor
from textual.strip import Strip


class TightUpdate(ChopsUpdate):
    """A partial update whose every stretch begins where it is dirty."""

    def render_segments(self, console: Console) -> str:
        parts: list[str] = []
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is not None and x < last and end > first:
                    left, right = whole(strip, max(x, first) - x, min(end, last) - x)
                    parts.append(Control.move_to(x + left, y).segment.text)
                    parts.append(strip.crop(left, right).render(console))
        return "".join(parts)


def whole(strip: Strip, left: int, right: int) -> tuple[int, int]:
    """The cells from `left` to `right`, and so much more that no wide character is cut in two."""
    at = 0
    for character in strip.text:
        after = at + cell_len(character)
        if at < left < after:
            left = at
        if at < right < after:
            right = after
        at = after
        if at >= right:
            break
    return left, right


class TightCompositor(Compositor):
    """A compositor that sends tight updates."""

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return None if update is None else TightUpdate(update.chops, update.spans, update.chop_ends)
