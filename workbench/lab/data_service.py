"""`data.*`: the rows of a source, a recipe or a run, page by page."""

from __future__ import annotations

from typing import Any

from workbench.core.errors import DataError
from workbench.core.home import Home
from workbench.lab.openings import Named, Opening, Openings
from workbench.lab.row_pages import Rows
from workbench.lab.services import exposed

PAGE_LIMIT = 500
TEXT_LIMIT = 200_000


class DataService:
    """Every method takes `source` (file, directory, hub id, `builtin:…`), `recipe` (a file) or `run` (an id)."""

    def __init__(self, home: Home) -> None:
        self._openings = Openings(home)

    @exposed
    def splits(self, source: str | None = None, recipe: str | None = None, run: str | None = None) -> dict[str, Any]:
        """`{"name", "splits": [names], "notes": [sentences], "max_length", "tokenizer"}`. Raises BadInput."""
        opening = self._open(source, recipe, run)
        return {
            "name": opening.name,
            "splits": list(opening.readers),
            "notes": opening.notes,
            "max_length": opening.max_length,
            "tokenizer": opening.tokenizer,
        }

    @exposed
    def page(
        self,
        split: str,
        source: str | None = None,
        recipe: str | None = None,
        run: str | None = None,
        offset: int = 0,
        limit: int = 100,
        filter: str = "",
        label: str | None = None,
    ) -> dict[str, Any]:
        """`{"offset", "total", "rows", "more", "columns", "items": [{"at", "row", "text", "length", "label"}]}`.

        `total` rows match `filter` (in a column of text, any case) and `label`, of `rows`. Where there is `more`, the
        end of a large file has not been seen, and both are of what has. `text` is the first 400 characters of
        `length`; `at` is the position to give to `data.row`, `row` the index in the source's split. Raises BadInput.
        """
        rows = self._open(source, recipe, run).rows(split)
        return rows.page(max(0, offset), min(limit, PAGE_LIMIT), filter, label) | {"columns": rows.names}

    @exposed
    def row(
        self,
        split: str,
        at: int,
        source: str | None = None,
        recipe: str | None = None,
        run: str | None = None,
        limit: int = 20_000,
    ) -> dict[str, Any]:
        """`{"at", "row", "text", "label", "fields": [{"name", "text", "characters"}], "passage"}`: a row whole.

        The outer `text` is the name of the column that is the text, or None; fields are cut at `limit` characters.
        `passage` is what is made into tokens, as `RowText` has it; of rows without a recipe its text alone.
        Raises BadInput.
        """
        return self._open(source, recipe, run).rows(split).whole(at, min(limit, TEXT_LIMIT))

    @exposed
    def stats(
        self, split: str, source: str | None = None, recipe: str | None = None, run: str | None = None
    ) -> dict[str, Any]:
        """`{"rows", "dropped", "labels", "kinds", "lengths", "empty", "repeated", "shared", "notes"}` of one split.

        `labels` maps the commonest 200 of so many `kinds` to their rows, "" to those without one; `lengths` are in
        characters, `{"bins", "top", "beyond", "median", "p95", "max"}`; `shared` maps each other split to how many
        of this one's texts are in it too. Raises BadInput.
        """
        opening = self._open(source, recipe, run)
        rows = opening.rows(split)
        return rows.figures() | {"shared": _shared(opening, split), "notes": opening.notes}

    def _open(self, source: str | None, recipe: str | None, run: str | None) -> Opening:
        return self._openings.open(Named(source, recipe, run))


def _shared(opening: Opening, split: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for other in opening.readers:
        try:
            here, there = opening.rows(split), opening.rows(other)
        except DataError:
            continue  # another split's fault is told when that one is opened
        if other != split and isinstance(here, Rows) and isinstance(there, Rows):
            found[other] = here.shared_with(there)
    return {other: count for other, count in found.items() if count}
