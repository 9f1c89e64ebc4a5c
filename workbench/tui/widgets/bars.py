"""The header's two lines and the footer's one. Each is a single widget: painted only when its text changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.reactive import reactive

from workbench.core.text import cells, clean, cut
from workbench.display.spans import Line, Span, width_of
from workbench.tui.bindings import APP, MODE_KEYS, MODES, PANE, Shortcut
from workbench.tui.widgets.drawing import Drawing

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


class HeaderBar(Drawing):
    """The modes with the current one marked and the live runs; below, the breadcrumb and a fact at its right."""

    app: WorkbenchApp

    crumbs: reactive[tuple[str, ...]] = reactive((), repaint=False)
    right: reactive[str] = reactive("", repaint=False)

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    def on_mount(self) -> None:
        self.app.status_changed.subscribe(self, lambda _status: self.update_lines())

    def watch_crumbs(self) -> None:
        self.update_lines()

    def watch_right(self) -> None:
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        return [self._modes(width), self._breadcrumb(width)]

    def _modes(self, width: int) -> Line:
        tabs = [Span(" "), *(span for row in MODE_KEYS for span in self._tab(row))]
        live = self.app.status.live
        said = f"● {live} live" if live else "idle"
        gap = width - width_of(tuple(tabs)) - cells(said) - 1
        return (*tabs, Span(" " * max(1, gap)), Span(said, "best" if live else "muted"))

    def _tab(self, row: Shortcut) -> Line:
        """The mode's key and name, to be clicked too."""
        click = f"app.go('{row.action}')"
        key = Span(self.app.table[row.id].first, "accent", action=click)
        return key, Span(f" {row.label}", "title" if row.action == self._mode else "muted", action=click), Span("  ")

    def _breadcrumb(self, width: int) -> Line:
        right = clean(self.right)
        room = width - 2 - (cells(right) + 2 if right else 0)
        trail = cut(" › ".join(clean(part) for part in self.crumbs), max(0, room))
        gap = " " * max(1, width - 2 - cells(trail) - cells(right))
        return Span(f" {trail}{gap}"), Span(right, "muted")


class FooterBar(Drawing):
    """The pane's keys, as many as fit, then `? help` or the way out of a text. A key that cannot be used is faint."""

    app: WorkbenchApp

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    def lines(self, width: int, height: int) -> list[Line]:
        *items, tail = map(self._item, self._rows())
        if self._typing:
            tail = (Span("esc", "key", action="app.row('pane.back')"), Span(" leaves the text, then 1-6"))
        shown: list[Span] = [Span(" ")]
        room = width - 1 - width_of(tail)
        for item in items:
            size = width_of(item) + 2
            if size < room:
                shown += [*item, Span("  ")]
                room -= size
        return [(*shown, *tail)]

    def _rows(self) -> list[Shortcut]:
        pane = self.app.pane
        common = [row for row in PANE if row.footer and pane is not None and pane.offers(row)]
        rows = [*common, *(row for row in MODES[self._mode].keys if row.footer)]
        found = [self.app.table[row.id] for row in (*rows, *(row for row in APP if row.footer))]
        return [*filter(_works_while_typing, found[:-1]), found[-1]] if self._typing else found

    @property
    def _typing(self) -> bool:
        """Whether letters go into a text."""
        focused = self.screen.focused
        return focused is not None and focused.check_consume_key("a", "a")

    def _item(self, row: Shortcut) -> Line:
        pane, click = self.app.pane, f"app.row('{row.id}')"
        barred = pane is not None and not row.id.startswith("app.") and pane.why_not(row.id) is not None
        key = Span(row.first, "faint" if barred else "key", action=click)
        return key, Span(f" {row.label}", "faint" if barred else "", action=click)


def _works_while_typing(row: Shortcut) -> bool:
    return row.first in ("enter", "tab") or row.first.startswith("^")
