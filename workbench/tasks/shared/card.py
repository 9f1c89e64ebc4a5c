"""What a run has left beside its weights: the recipe they were made by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, TypeVar

from workbench.recipe import Recipe
from workbench.tasks import recipe_union

CARD: Final = "workbench.json"
R = TypeVar("R", bound=Recipe)


def recipe_of(model_dir: Path, kind: type[R]) -> R | None:
    """The recipe, of that kind, by which a model directory was made; None for one from elsewhere."""
    try:
        found = recipe_union.stored(json.loads((model_dir / CARD).read_text("utf-8"))["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, kind) else None
