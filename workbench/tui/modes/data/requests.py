"""Which rows the Data pane is about, as the lab is asked for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.contracts.lab.data_requests import DataPage, RowsOf


def rows_named(text: str, home: Path) -> RowsOf:
    """What the user typed: a recipe ends in .toml, a run is in the home, anything else is a source."""
    name = text.strip()
    if name.lower().endswith(".toml"):
        return RowsOf("recipe", name)
    if name and "/" not in name and (home / "runs" / name / "run.json").is_file():
        return RowsOf("run", name)
    return RowsOf("source", name)


@dataclass(frozen=True, slots=True)
class View:
    """Which rows are in the table."""

    of: RowsOf
    split: str
    search: str = ""
    label: str | None = None

    def page(self, offset: int, limit: int) -> DataPage:
        return DataPage(self.of, self.split, offset, limit, self.search, self.label)

    @property
    def narrowed(self) -> str:
        """`label good, with “hotel”`; nothing where every row is there."""
        said = [] if self.label is None else [f"label {self.label or '(none)'}"]
        return ", ".join([*said, *([f"with “{self.search}”"] if self.search else [])])
