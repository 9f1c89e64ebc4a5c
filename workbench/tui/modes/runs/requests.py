"""What Runs asks of the registry: a window of the runs that match, live ones first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.tui.feed import LIVE_FILTER
from workbench.tui.run_news import RunNews
from workbench.tui.widgets.run_cells import SPARK_WIDTH

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow
    from workbench.registry.store import Registry


@dataclass(frozen=True, slots=True)
class RunsPage:
    """The runs from index `first` on, of `total` that match. `order` is how they are sorted."""

    first: int
    total: int
    rows: tuple[RunRow, ...]
    sparks: tuple[tuple[str, tuple[float, ...]], ...]
    news: RunNews = field(default_factory=RunNews)


@dataclass(frozen=True, slots=True)
class RunsRequest:
    """A window of the runs that match `filter`: live ones first unless the filter says how to sort."""

    filter: str
    first: int
    count: int

    def read(self, registry: Registry) -> RunsPage:
        rows = registry.runs(self.filter, limit=self.count, offset=self.first) if "sort:" in self.filter else None
        rows = self._live_first(registry) if rows is None else rows
        sparks = registry.sparkline([run.id for run in rows], width=SPARK_WIDTH)
        return RunsPage(
            self.first,
            registry.count(self.filter),
            tuple(rows),
            tuple((id, tuple(values)) for id, values in sparks.items()),
            RunNews.of(registry, rows),
        )

    def _live_first(self, registry: Registry) -> list[RunRow]:
        """All live runs are before all others, so a window is some of the first and some of the second."""
        from workbench.registry.query import parse

        parse(self.filter)  # raises QueryError with the user's own columns, not those of the longer filters below
        own = f" and ({self.filter})" if self.filter.strip() else ""
        live = registry.runs(LIVE_FILTER + own)
        rows = live[self.first : self.first + self.count]
        if len(rows) < self.count:
            offset = max(0, self.first - len(live))
            rows = [*rows, *registry.runs(f"not {LIVE_FILTER}{own}", limit=self.count - len(rows), offset=offset)]
        return rows
