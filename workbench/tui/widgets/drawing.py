"""The base of everything that is drawn here: lines of spans, of which only the cells that differ are painted again.

What a drawing shows is a pure function of what it holds and its size, so a test can read it; and what keeps still costs
nothing on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.style import Style as VisualStyle
from textual.widget import Widget

from workbench.core.text import cells, clean, cut
from workbench.display.spans import Line, Span, StyleName, fitted, plain
from workbench.tui.widgets.styles import look_of

FAR = 1 << 40
"""More rows than there are: to the first or the last."""
# Two changed stretches closer than this are sent as one: moving the cursor costs about as many bytes.
_NEAR = 8
_PLAIN = Span("")[1:]

Cell = tuple[str, tuple[str, float, bool, str]]  # a character, and how it looks


def changed(before: Line, after: Line, width: int) -> Iterator[tuple[int, int]]:
    """Stretches (x, cells) in which two lines differ, neighbours joined."""
    if before == after:
        return
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


def _cells(line: Line, width: int) -> list[Cell]:
    """One entry a terminal cell; the second half of a wide character is empty."""
    found: list[Cell] = []
    for span in line:
        look = span[1:]
        for character in span.text:
            found += [(character, look)] + [("", look)] * (_size(character) - 1)
        if len(found) >= width:
            break
    return (found + [(" ", _PLAIN)] * (width - len(found)))[:width]


def _size(character: str) -> int:
    return 1 if character < "\u0300" else max(1, cells(character))


class Moving(Widget):
    """What the panes' keys call to move: all of it comes to `move`."""

    def move(self, rows: int, columns: int) -> None:
        """Move the cursor, or what is shown, by so many rows and columns, stopping at the edges."""

    def action_cursor_up(self) -> None:
        self.move(-1, 0)

    def action_cursor_down(self) -> None:
        self.move(1, 0)

    def action_cursor_left(self) -> None:
        self.move(0, -1)

    def action_cursor_right(self) -> None:
        self.move(0, 1)

    def action_page_up(self) -> None:
        self.move(-max(1, self.size.height - 2), 0)

    def action_page_down(self) -> None:
        self.move(max(1, self.size.height - 2), 0)

    def action_scroll_top(self) -> None:
        self.move(-FAR, 0)

    def action_scroll_bottom(self) -> None:
        self.move(FAR, 0)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-1, 0)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(1, 0)


class Drawing(Moving):
    """Subclasses give `lines(width, height)`, and call `update_lines` when something that it depends on has changed."""

    DEFAULT_CSS = "Drawing { height: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._drawn: tuple[Size, list[Line]] | None = None
        self._strips: dict[int, Strip] = {}
        self._styles: dict[Span, Style] = {}

    def lines(self, width: int, height: int) -> list[Line]:
        """What is shown in `width` × `height` cells; longer lines are cropped, missing ones blank."""
        raise NotImplementedError

    @property
    def text(self) -> str:
        """What is shown, without styles."""
        return "\n".join(plain(self._shown()))

    def update_lines(self) -> None:
        """Draw again; of a drawing that keeps its size only the cells that differ."""
        before, self._drawn = self._drawn, None
        self._strips.clear()
        # What was shown at another size may never have been painted.
        if before is None or before[0] != self.size or self.styles.auto_dimensions:
            self.refresh(layout=self.styles.auto_dimensions)
            return
        pairs = enumerate(zip(before[1], self._shown(), strict=True))
        width = self.size.width
        if regions := [Region(x, y, n, 1) for y, (old, new) in pairs for x, n in changed(old, new, width)]:
            self.refresh(*regions)

    def _shown(self) -> list[Line]:
        """One line for every row of the widget."""
        size = self.size
        if self._drawn is None or self._drawn[0] != size:
            self._strips.clear()
            lines = self.lines(*size)[: size.height]
            self._drawn = (size, lines + [()] * (size.height - len(lines)))
        return self._drawn[1]

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return max(1, len(self.lines(width, 10_000)))

    def on_resize(self) -> None:
        self.update_lines()

    def watch_has_focus(self, value: bool) -> None:
        """The cursor looks another way where the keys go to another widget."""
        super().watch_has_focus(value)
        self._styles.clear()
        self.update_lines()
        for y, shown in enumerate(self._shown()):
            if any(span.cursor or span.style == "token-cursor" for span in shown):
                self.refresh(Region(0, y, self.size.width, 1))

    def notify_style_update(self) -> None:
        self._styles.clear()
        self._strips.clear()
        super().notify_style_update()

    # -- painting ------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        shown = self._shown()
        if y >= len(shown):
            return Strip.blank(self.size.width, self._painted(Span("")))
        if y not in self._strips:
            segments = [Segment(span.text, self._painted(span._replace(text=""))) for span in shown[y]]
            self._strips[y] = Strip(segments).adjust_cell_length(self.size.width, self._painted(Span("")))
        return self._strips[y]

    def _painted(self, span: Span) -> Style:
        """The colours of a span on the widget's own background."""
        if span not in self._styles:
            self._styles[span] = self._paint(span)
        return self._styles[span]

    def _paint(self, span: Span) -> Style:
        below = self.get_visual_style()
        if span.cursor:  # what stands on the cursor must be read there
            below += self._look("cursor")
        style = below + self._heat(span) if span.style in ("right", "wrong") else look_of(span.style, self, below)
        shown = style.rich_style
        return shown + Style.from_meta({"@click": span.action}) if span.action else shown

    def _look(self, name: str) -> VisualStyle:
        return look_of(name, self, VisualStyle())

    def _heat(self, span: Span) -> VisualStyle:
        """The style's colour let in by the heat, on the background; sixteen colours have two steps of it."""
        look = self._look(span.style)
        if self.app.native_ansi_color:
            return look if span.heat > 0.5 else VisualStyle(foreground=look.foreground)
        full, below = look.foreground, self.background_colors[1]
        assert full is not None
        shade = below.blend(full, 0.08 + 0.55 * span.heat if span.heat else 0.0)
        return VisualStyle(background=shade, foreground=shade.get_contrast_text(0.9))


class Scrolled(Drawing, can_focus=True):
    """A text of more lines than there is room for. Subclasses give `every(width)`, the lines of all of it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = 0

    def every(self, width: int) -> list[Line]:
        """All lines, in `width` cells."""
        raise NotImplementedError

    def lines(self, width: int, height: int) -> list[Line]:
        every = self.every(width)
        self.top = max(0, min(self.top, len(every) - height))
        return every[self.top : self.top + height]

    def move(self, rows: int, columns: int) -> None:
        self.top = max(0, self.top + rows)
        self.update_lines()


class Caption(Drawing):
    """One line: what something is at the left, its figures at the right."""

    DEFAULT_CSS = "Caption { height: 1; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._left, self._right = Span(""), ""

    def show(self, left: str, right: str = "", style: StyleName = "") -> None:
        """Other words, cleaned here."""
        self._left, self._right = Span(clean(left), style), clean(right)
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        right = self._right if cells(self._right) < width - 6 else cut(self._right, max(0, width - 6))
        return [(Span(" "), *fitted((self._left,), max(0, width - 2 - cells(right))), Span(right, "muted"))]
