"""From a recipe to a run at work: check it, make the run, start it. Nothing is made of a recipe that would not run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.runs.create import create
from workbench.runs.preflight import preflight
from workbench.runs.spawn import launch


def start(
    home: Home,
    recipe: Path,
    *,
    search: Sequence[Path],
    overrides: Sequence[str] = (),
    tags: Sequence[str] = (),
    argv: Sequence[str] = (),
    progress: Callable[[str], object] = lambda text: None,
) -> RunDir:
    """Check a recipe with its data and model, make a run of it and launch it.

    `search` are the directories that relative paths may mean, `argv` is kept as the command that asked for it, and
    `progress` is told what is being done. Raises RecipeError with every problem found, BadInput, WorkbenchError.
    """
    home.ensure()
    progress("looking at its data and model")
    answer = preflight(recipe, search, overrides, home=home)
    progress("starting")
    download = answer["model"].get("where") == "download"
    run = create(home, recipe, overrides=overrides, tags=tags, search=search, argv=argv, download=download)
    launch(run)
    return run
