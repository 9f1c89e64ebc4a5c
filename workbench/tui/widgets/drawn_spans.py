"""A widget drawn as lines of spans: what it shows is a pure function of its size, and so can be read in a test."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from workbench.core.text import cells, clean, cut, pad
from workbench.display.spans import Line, Span
from workbench.tui.widgets.drawn_lines import changed

_FAR = 1 << 40

ROLES = ("muted", "head", "best", "good", "bad", "cursor", "bar", "right", "wrong", "error", "faint-bar")


def differences(before: Sequence[Strip], after: Sequence[Strip], width: int) -> list[Region]:
    """Where two drawings of one size differ."""
    pairs = enumerate(zip(before, after, strict=True))
    return [Region(x, y, n, 1) for y, (old, new) in pairs for x, n in changed(old, new, width)]


class Drawing(Widget):
    """Base of the panes' own drawings. Subclasses give `lines(width, height)`; `update_lines` draws them anew."""

    COMPONENT_CLASSES = {f"drawing--{role}" for role in ROLES}
    DEFAULT_CSS = """
    Drawing { height: 1fr; }
    Drawing .drawing--muted { color: $foreground 60%; }
    Drawing .drawing--head { color: $foreground 60%; text-style: bold; }
    Drawing .drawing--best { color: $text-success; text-style: bold; }
    Drawing .drawing--good { color: $text-success; }
    Drawing .drawing--bad { color: $text-error; }
    Drawing .drawing--error { color: $text-error; }
    Drawing .drawing--cursor { text-style: bold; background: $boost; }
    Drawing:focus .drawing--cursor { text-style: bold reverse; }
    Drawing .drawing--bar { color: $primary; }
    Drawing .drawing--faint-bar { color: $primary 60%; }
    Drawing .drawing--right { background: $success; color: $text; }
    Drawing .drawing--wrong { background: $error; color: $text; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._drawn: tuple[int, int, list[Strip]] | None = None

    def lines(self, width: int, height: int) -> list[Line]:
        """What is shown in `width` × `height` cells; longer lines are cropped."""
        raise NotImplementedError

    def update_lines(self) -> None:
        """Draw again what depends on something that has changed; of a drawing of fixed size only the cells that do."""
        before, self._drawn = self._drawn, None
        if before is None or before[:2] != tuple(self.size) or self.styles.auto_dimensions:
            self.refresh(layout=self.styles.auto_dimensions)
            return
        regions = differences(before[2], self._strips(), self.size.width)
        if regions:
            self.refresh(*regions)

    def notify_style_update(self) -> None:
        self._drawn = None
        super().notify_style_update()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return max(1, len(self.lines(width, 10_000)))

    def _strips(self) -> list[Strip]:
        """One for every row of the widget."""
        width, height = self.size
        if self._drawn is None or self._drawn[:2] != (width, height):
            base = self.get_visual_style().rich_style
            lines = self.lines(width, height)[:height]
            strips = [self._strip(line, base).adjust_cell_length(width, base) for line in lines]
            strips += [Strip.blank(width, base)] * (height - len(strips))
            self._drawn = (width, height, strips)
        return self._drawn[2]

    def _strip(self, line: Line, base: Style) -> Strip:
        return Strip([Segment(span.text, base + self._style(span)) for span in line])

    def render_line(self, y: int) -> Strip:
        strips = self._strips()
        return strips[y] if y < len(strips) else Strip.blank(self.size.width, self.rich_style)

    def _style(self, span: Span) -> Style:
        if not span.role:
            return Style.null()
        if span.role in {"right", "wrong"}:
            return self._heat(f"drawing--{span.role}", span.heat)
        return self.get_visual_style(f"drawing--{span.role}").rich_style

    def _heat(self, component: str, heat: float) -> Style:
        """The component's background let in by `heat`, on the colour below it."""
        full = self.get_component_styles(component).background
        below = self.background_colors[1]
        shade = below.blend(full.with_alpha(1.0), 0.08 + 0.55 * heat if heat else 0.0)
        ink = shade.get_contrast_text(0.9)
        return Style(bgcolor=shade.rich_color, color=(shade + ink).rich_color)

    # -- moving, as the panes' keys call it --------------------------------------------------------------------------

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
        self.move(-_FAR, 0)

    def action_scroll_bottom(self) -> None:
        self.move(_FAR, 0)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-1, 0)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(1, 0)


class Caption(Drawing):
    """One line: what something is at the left, its figures at the right."""

    DEFAULT_CSS = "Caption { height: 1; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._left, self._right, self._role = "", "", ""

    def show(self, left: str, right: str = "", role: str = "") -> None:
        """Other words, cleaned here."""
        if (left, right, role) != (self._left, self._right, self._role):
            self._left, self._right, self._role = clean(left), clean(right), role
            self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        right = cut(self._right, max(0, width - 20))
        room = max(0, width - 2 - cells(right))
        return [(Span(" " + pad(self._left, room), self._role), Span(right, "muted"))]
