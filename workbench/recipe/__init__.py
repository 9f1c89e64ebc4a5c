"""A recipe: one TOML file that says a whole experiment.

Here is what the recipes of all tasks share, and how one is read: before anything heavy is imported, all its problems
told at once, each with its file and line. `workbench.tasks.recipe_union` reads recipes of every task. The resolved
recipe, every default written out, is what a run stores; its digest ties equal experiments together.
"""

from workbench.recipe.schema import (
    Data,
    Evaluate,
    Generate,
    Launch,
    ModelSource,
    Recipe,
    Section,
    Subset,
    Train,
    fields,
)

__all__ = [
    "Data", "Evaluate", "Generate", "Launch", "ModelSource", "Recipe", "Section", "Subset", "Train", "fields",
]  # fmt: skip
