"""How the shell may go on with a word: the runs of the home, and the recipes there are. Nothing is made by asking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from workbench.core.home import Home, shipped_recipes
from workbench.core.text import clean

_MOST: Final = 200


def runs(incomplete: str) -> Iterator[tuple[str, str]]:
    """Ids with their names, and names with their ids, the newest first."""
    from workbench.registry import Registry

    home = Home.resolve(None)
    if not home.registry.is_file():
        return
    with Registry.open(home) as registry:
        rows = registry.runs("", limit=_MOST)
    yield from ((row.id, clean(f"{row.name}, {row.state}")) for row in rows if row.id.startswith(incomplete))
    names = [row.name for row in rows]
    for row in rows:
        if row.name.startswith(incomplete) and names.count(row.name) == 1:
            yield row.name, row.id


def recipes(incomplete: str) -> Iterator[str]:
    """Recipe files beside the word that was begun, then the names of those that come with workbench."""
    begun = Path(incomplete or ".")
    folder = begun if incomplete.endswith("/") or not incomplete else begun.parent
    for path in sorted(folder.glob("*")):
        told = f"{path}/" if path.is_dir() else str(path)
        if told.startswith(incomplete) and (path.is_dir() or path.suffix == ".toml") and not path.name.startswith("."):
            yield told
    yield from (path.stem for path in shipped_recipes() if path.stem.startswith(incomplete))
