"""Recipes of every task there is, told apart by `task`: the sections all share, and each task's own fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.recipe import Recipe, reading
from workbench.tasks.spec import specs


def kinds() -> dict[str, type[Recipe]]:
    """The kind of recipe of each task."""
    return {name: spec.recipe for name, spec in specs().items()}


def load(path: Path, overrides: list[str] | None = None) -> Recipe:
    """The recipe in a file, with `--set` overrides. Raises RecipeError, every problem in it."""
    return parse(reading.text_of(path), where=str(path), overrides=overrides)


def parse(text: str, *, where: str = "recipe", overrides: list[str] | None = None, tags: Sequence[str] = ()) -> Recipe:
    """The recipe in `text`. `where` names it in messages, `tags` are added. Raises RecipeError, every problem in it."""
    return reading.parse(text, kinds(), where=where, overrides=overrides, tags=tags)


def usable(
    text: str, *, where: str = "recipe", overrides: list[str] | None = None, tags: Sequence[str] = ()
) -> tuple[Recipe, list[str]]:
    """As `parse`, but without the fields that are wrong, where the rest is a recipe: that, and every problem in it."""
    return reading.usable(text, kinds(), where=where, overrides=overrides, tags=tags)


def stored(resolved: Mapping[str, Any]) -> Recipe:
    """A recipe as a run keeps it, resolved. Fields of other tasks, as older versions wrote them, are passed over.

    Raises ValueError for what is no recipe of a task that is there.
    """
    task = str(resolved.get("task"))
    if task not in kinds():
        raise ValueError(f"no task {task!r}")
    return kinds()[task].model_validate(reading.without_foreign(resolved, kinds()))


def fields() -> dict[str, dict[str, str]]:
    """The fields of recipes with their descriptions: under \"\" those of all tasks, under a task those it adds."""
    shared = reading.all_fields({})
    own = {task: reading.all_fields({task: kind}) for task, kind in kinds().items()}
    return {"": shared} | {
        task: {name: told for name, told in there.items() if name not in shared} for task, there in own.items()
    }
