"""The rows of a recipe, as its task reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.data.cache.token_cache import TokenCache
from workbench.data.tables import splits
from workbench.recipe import Recipe
from workbench.tasks.spec import spec_of


def splits_for(recipe: Recipe, search: Sequence[Path], cache: TokenCache | None = None) -> splits.Splits:
    """Read and divided (`workbench.data.tables.splits.load`). Raises DataError, BadInput."""
    return splits.load(recipe, spec_of(recipe.task).shapes, search, cache)
