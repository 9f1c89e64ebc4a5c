"""What a run has left beside its weights: the recipe they were made by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from workbench.recipe import Recipe

CARD: Final = "workbench.json"


def recipe_of(model_dir: Path) -> Recipe | None:
    """The recipe of the run a model directory is from; None for one from elsewhere, or of another version."""
    try:
        return Recipe.model_validate(json.loads((model_dir / CARD).read_text("utf-8"))["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
