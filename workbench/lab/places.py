"""From what a pane names (a run, a recipe) to the directories and the recipe behind it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import BadInput, UnknownRun
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.recipe import Recipe
from workbench.tasks import recipe_union


@dataclass(frozen=True)
class Origin:
    """A recipe, and the directories that its relative paths are looked for in."""

    recipe: Recipe
    search: tuple[Path, ...]


def run_dir(home: Home, run: str) -> RunDir:
    """The directory of a run, given by id or as a path. Raises UnknownRun."""
    for candidate in (home.runs / run, expanded(run)):
        if (candidate / "run.json").is_file():
            return RunDir(candidate)
    raise UnknownRun(f"no run {run!r}", where=str(home.runs))


def of_run(home: Home, run: str) -> Origin:
    """The recipe a run was launched with. Raises UnknownRun, and BadInput where its run.json is damaged."""
    directory = run_dir(home, run)
    try:
        facts = directory.read_facts()
        recipe = recipe_union.stored(facts["recipe"])
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"the run's facts cannot be read ({error})", where=str(directory.facts)) from error
    return Origin(recipe, _search(facts))


def of_recipe(path: str, overrides: list[str] | None = None) -> Origin:
    """The recipe in a file. Raises RecipeError."""
    file = expanded(path)
    return Origin(recipe_union.load(file, overrides), (file.resolve().parent, Path.cwd()))


def _search(facts: dict[str, Any]) -> tuple[Path, ...]:
    found = [Path(str(directory)) for directory in facts.get("search") or []]
    return tuple(found) or (Path.cwd(),)
