"""The header's two lines and the footer's one. Each is a single widget: painted only when its text changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from workbench.core.text import cells, clean, cut
from workbench.tui.bindings import APP, MODE_KEYS, PANE, PANES, Key
from workbench.tui.widgets.drawn_lines import Lines

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


class HeaderBar(Lines):
    """The modes with the current one marked and the live runs; below, the breadcrumb and a fact at its right."""

    app: WorkbenchApp

    crumbs: reactive[tuple[str, ...]] = reactive((), repaint=False)
    right: reactive[str] = reactive("", repaint=False)

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    def on_mount(self) -> None:
        self.app.status_changed.subscribe(self, lambda _status: self._lay())

    def on_resize(self) -> None:
        self._lay()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._lay()

    def watch_crumbs(self) -> None:
        self._lay()

    def watch_right(self) -> None:
        self._lay()

    def _lay(self) -> None:
        width = self.size.width
        if width and self.is_attached:
            self.show([self._modes(width), self._breadcrumb(width)])

    def _modes(self, width: int) -> Strip:
        tabs = [Segment(" ")]
        for row in MODE_KEYS:
            tabs += self._tab(row)
        live = self.app.status.live
        said = f"● {live} live" if live else "idle"
        gap = width - sum(cells(segment.text) for segment in tabs) - cells(said) - 1
        end = Segment(said, self.style_of("live" if live else "dim"))
        return Strip([*tabs, Segment(" " * max(1, gap)), end])

    def _tab(self, row: Key) -> list[Segment]:
        """The mode's key and name, to be clicked too."""
        click = Style.from_meta({"@click": f"app.go('{row.action}')"})
        name = self.style_of("here" if row.action == self._mode else "there")
        key = self.app.table[row.id].first
        return [Segment(key, self.style_of("accent") + click), Segment(f" {row.label}", name + click), Segment("  ")]

    def _breadcrumb(self, width: int) -> Strip:
        right = clean(self.right)
        room = width - 2 - (cells(right) + 2 if right else 0)
        trail = cut(" › ".join(clean(part) for part in self.crumbs), max(0, room))
        gap = " " * max(1, width - 2 - cells(trail) - cells(right))
        return self.strip_of(f" {trail}{gap}", (right, "dim"))


class FooterBar(Widget):
    """The pane's keys, as many as fit, and always `? help`. A key that cannot be used now is dim."""

    app: WorkbenchApp

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    def render(self) -> Content:
        *rows, last = self._rows()
        shown: list[Content] = []
        tail = self._item(last)
        used = tail.cell_length
        for row in rows:
            item = self._item(row)
            if used + item.cell_length + 2 <= self.size.width - 2:
                shown.append(item)
                used += item.cell_length + 2
        return Content.assemble(" ", Content("  ").join([*shown, tail]))

    def _rows(self) -> list[Key]:
        pane = self.app.pane
        common = [row for row in PANE if row.footer and pane is not None and pane.offers(row)]
        rows = [*common, *(row for row in PANES.get(self._mode, ()) if row.footer)]
        return [self.app.table[row.id] for row in (*rows, *(row for row in APP if row.footer))]

    def _item(self, row: Key) -> Content:
        pane = self.app.pane
        barred = pane is not None and pane.why_not(row.id) is not None
        key, label = ("$foreground 40%", "$foreground 40%") if barred else ("bold $text-accent", "$foreground 80%")
        return Content.assemble((row.first, key), " ", (row.label, label)).stylize(f"@click=app.row('{row.id}')")
