"""A recipe: one TOML file that says a whole experiment.

It is validated here, before anything heavy is imported, and all its problems are told at once, each with its file and
line. The resolved recipe, every default written out, is what a run stores; its digest ties equal experiments together.
"""

from workbench.recipe.reading import load, parse
from workbench.recipe.schema import (
    Data,
    Evaluate,
    Generate,
    Launch,
    Model,
    Recipe,
    Section,
    Subset,
    Train,
    fields,
)

__all__ = [
    "Data", "Evaluate", "Generate", "Launch", "Model", "Recipe", "Section", "Subset", "Train",
    "fields", "load", "parse",
]  # fmt: skip
