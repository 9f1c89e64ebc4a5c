"""Which rows the Data pane is about, as the lab is asked for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Opened:
    """What the rows are of: the lab's word for its kind, and its name."""

    kind: Literal["run", "recipe", "source"]
    name: str

    @classmethod
    def parse(cls, text: str, home: Path) -> Opened:
        """What the user typed: a recipe ends in .toml, a run is in the home, anything else is a source."""
        name = text.strip()
        if name.lower().endswith(".toml"):
            return cls("recipe", name)
        if name and "/" not in name and (home / "runs" / name / "run.json").is_file():
            return cls("run", name)
        return cls("source", name)

    @property
    def params(self) -> dict[str, str]:
        return {self.kind: self.name}


@dataclass(frozen=True, slots=True)
class View:
    """Which rows are in the table."""

    opened: Opened
    split: str
    search: str = ""
    label: str | None = None

    @property
    def params(self) -> dict[str, Any]:
        return {"split": self.split, **self.opened.params}

    @property
    def narrowed(self) -> str:
        """`label good, with “hotel”`; nothing where every row is there."""
        said = [] if self.label is None else [f"label {self.label or '(none)'}"]
        return ", ".join([*said, *([f"with “{self.search}”"] if self.search else [])])
