"""Starting a run from the screen: check, create, launch. Everything here blocks: call it from a thread."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.core.errors import WorkbenchError
from workbench.core.home import Home, recipes_dir, shipped_recipes
from workbench.core.rundir import RunDir
from workbench.tui.offers import missing

if TYPE_CHECKING:
    from workbench.contracts.check_report import DataReport
    from workbench.tasks.experiment import Experiment


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A recipe that can be chosen. `search` is where its relative paths are looked up; `origin` says whose it is."""

    path: Path
    search: tuple[Path, ...]
    origin: str
    needs: str = ""  # "hub" or "file": what it needs is not on this machine

    @property
    def name(self) -> str:
        return self.path.stem


def drafts_dir(home: Home) -> Path:
    """Where edited copies of recipes are kept."""
    return home.path / "drafts"


def recipe_files(home: Home, here: Path) -> list[RecipeFile]:
    """Edited copies, recipes in the current directory, and those that are shipped; newest copies first.

    Those that need something that is not on this machine come after all that run here. Blocks.
    """
    drafts = sorted(drafts_dir(home).glob("*.toml"), key=lambda path: path.stat().st_mtime, reverse=True)
    found = [RecipeFile(path, (here, recipes_dir()), "edited copy") for path in drafts]
    if here.resolve() != recipes_dir().resolve():
        found += [RecipeFile(path, (here,), "here") for path in sorted(here.glob("*.toml")) if _is_recipe(path)]
    found += [RecipeFile(path, (recipes_dir(), here), "shipped") for path in shipped_recipes()]
    return sorted((replace(recipe, needs=_needs(recipe)) for recipe in found), key=lambda recipe: bool(recipe.needs))


def _needs(recipe: RecipeFile) -> str:
    try:
        return missing(tomllib.loads(recipe.path.read_text("utf-8")), [*recipe.search, recipe.path.parent])
    except (OSError, ValueError, WorkbenchError):
        return ""  # the check says in full what is wrong with it


def _is_recipe(path: Path) -> bool:
    """Whether a TOML file means to be a recipe: it names a task."""
    try:
        return any(line.lstrip().startswith("task") for line in path.read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return False


def draft_of(home: Home, recipe: RecipeFile) -> RecipeFile:
    """A copy of a recipe that may be edited; a draft is its own."""
    if recipe.path.parent == drafts_dir(home):
        return recipe
    drafts_dir(home).mkdir(mode=0o700, exist_ok=True)
    path, number = drafts_dir(home) / recipe.path.name, 1
    while path.exists():
        number += 1
        path = drafts_dir(home) / f"{recipe.name}-{number}.toml"
    path.write_bytes(recipe.path.read_bytes())
    return RecipeFile(path, recipe.search, "edited copy")


_NEXT = re.compile(r"\s+(?=[A-Za-z_]+(?:\.[A-Za-z_]+)*=)")


def changes(text: str) -> list[str]:
    """`train.epochs=1 notes=try again` as fields with their values, which may hold spaces."""
    return [change for change in _NEXT.split(text.strip()) if change]


def read(
    path: Path, search: Sequence[Path] | None = None, overrides: Sequence[str] = (), *, to_check: bool = False
) -> Experiment:
    """The experiment. Raises RecipeError with every problem that can be seen without its data and model."""
    from workbench.tasks.experiment import Experiment

    return Experiment.read(path, overrides, search=search, to_check=to_check)


def check(home: Home, path: Path, search: Sequence[Path] | None = None, overrides: Sequence[str] = ()) -> DataReport:
    """All there is to know of a recipe's rows before it runs. Raises RecipeError with every problem found."""
    from workbench.runs.preflight import preflight

    return preflight(read(path, search, overrides, to_check=True), home).data


def check_and_launch(
    home: Home,
    path: Path,
    search: Sequence[Path],
    overrides: Sequence[str] = (),
    *,
    progress: Callable[[str], object] = lambda text: None,
) -> str:
    """Check the recipe with its data and model, make a run of it, start it; the run's id.

    `progress` is told what is being done. Raises RecipeError with every problem found, or another WorkbenchError.
    """
    from workbench.runs.start import start

    progress("reading the recipe")
    experiment = read(path, search, overrides, to_check=True)
    argv = ["workbench", "run", str(path), *(word for change in overrides for word in ("--set", change))]
    return start(home, experiment, argv=argv, progress=progress).id


def clone(home: Home, run: RunDir, changes: Sequence[str]) -> str:
    """Start a run again with its recipe, what was overridden then, and `changes`; the new run's id."""
    facts = run.read_facts()
    overrides = [*(str(change) for change in facts.get("overrides", ())), *changes]
    return check_and_launch(home, run.recipe, [Path(path) for path in facts["search"]], overrides)
