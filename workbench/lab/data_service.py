"""`data.*`: the rows of a source, a recipe or a run, page by page."""

from __future__ import annotations

import dataclasses

from workbench.contracts.lab.data_requests import (
    DataPage,
    DataPageReply,
    DataRow,
    DataRowReply,
    DataSplits,
    DataSplitsReply,
    DataStats,
    DataStatsReply,
)
from workbench.core.errors import DataError
from workbench.core.home import Home
from workbench.lab.openings import Opening, Openings
from workbench.lab.row_pages import TableRows

PAGE_LIMIT = 500
TEXT_LIMIT = 200_000


class DataService:
    """Each method raises BadInput where what is asked for is not there."""

    def __init__(self, home: Home) -> None:
        self._openings = Openings(home)

    def splits(self, request: DataSplits) -> DataSplitsReply:
        found = self._openings.open(request.of)
        return DataSplitsReply(found.name, tuple(found.readers), tuple(found.notes), found.max_length, found.tokenizer)

    def page(self, request: DataPage) -> DataPageReply:
        rows = self._openings.open(request.of).rows(request.split)
        limit = min(request.limit, PAGE_LIMIT)
        return rows.page(max(0, request.offset), limit, request.search, request.label)

    def row(self, request: DataRow) -> DataRowReply:
        return self._openings.open(request.of).rows(request.split).whole(request.at, min(request.limit, TEXT_LIMIT))

    def stats(self, request: DataStats) -> DataStatsReply:
        opening = self._openings.open(request.of)
        figures = opening.rows(request.split).figures()
        shared = _shared(opening, request.split)
        return dataclasses.replace(figures, shared=shared, notes=tuple(opening.notes))


def _shared(opening: Opening, split: str) -> dict[str, int]:
    """How many of a split's texts are in each other split too."""
    found: dict[str, int] = {}
    for other in opening.readers:
        try:
            here, there = opening.rows(split), opening.rows(other)
        except DataError:
            continue  # another split's fault is told when that one is opened
        if other != split and isinstance(here, TableRows) and isinstance(there, TableRows):
            found[other] = here.shared_with(there)
    return {other: count for other, count in found.items() if count}
