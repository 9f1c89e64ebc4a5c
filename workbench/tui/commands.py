"""The palette: every row of the bindings table that can be run from where we are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from workbench.tui.bindings import Shortcut

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


class TableCommands(Provider):
    """The current pane's keys, then those that work everywhere."""

    def _rows(self) -> Iterator[tuple[str, Shortcut]]:
        app = cast("WorkbenchApp", self.app)
        pane = app.pane
        for group in app.table.groups(app.current_mode):
            for row in group.rows:
                if row.palette and (not row.id.startswith("pane.") or (pane is not None and pane.offers(row))):
                    yield f"{group.title}: {row.label}", row

    def _run(self, row: Shortcut) -> None:
        cast("WorkbenchApp", self.app).call_later(cast("WorkbenchApp", self.app).run_row, row.id)

    async def discover(self) -> Hits:
        for title, row in self._rows():
            yield DiscoveryHit(title, lambda row=row: self._run(row), text=title, help=f"{row.help}  ({row.shown})")

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, row in self._rows():
            score = max(matcher.match(title), matcher.match(row.help) * 0.9)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(title),
                    lambda row=row: self._run(row),
                    text=title,
                    help=f"{row.help}  ({row.shown})",
                )
