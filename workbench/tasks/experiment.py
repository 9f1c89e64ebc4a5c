"""An experiment: a recipe that was read once, and all that is found by it. Whoever checks, starts or trains gets it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from workbench.core.errors import BadInput, RecipeError
from workbench.core.rundir import RunDir
from workbench.models import locate
from workbench.recipe import Recipe, reading
from workbench.tasks import recipe_union
from workbench.tasks.spec import TaskSpec, spec_of


@dataclass(frozen=True)
class Experiment:
    """`search` are the directories that relative paths of the recipe may mean, tried in order.

    `source` is the text of the recipe as it was written, and `where` what messages call it; `file` is where it stands,
    None where it was given as text; `overrides` are the `field=value` that were set over it. An experiment that comes
    from another process has none of these. What the recipe names is looked for when it is first asked for.

    `problems` are those of fields that were left out, so that a check can tell them with those of the rest: with any,
    it cannot be run.
    """

    recipe: Recipe
    search: tuple[Path, ...]
    source: str = ""
    where: str = "recipe"
    file: Path | None = None
    overrides: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        recipe: Path | str,
        overrides: Sequence[str] = (),
        *,
        name: str | None = None,
        tags: Sequence[str] = (),
        search: Sequence[Path] | None = None,
        to_check: bool = False,
    ) -> Experiment:
        """The experiment of a recipe file, or of a recipe's text.

        `overrides` are `field=value` as after `--set`; `name` and `tags` override and add to the recipe's. `search` is
        by default the directory of the recipe, then the current one. Raises RecipeError with every problem found; of
        one that is `to_check` only where nothing of it can be used.
        """
        file = recipe.absolute() if isinstance(recipe, Path) else None
        source = reading.text_of(recipe) if isinstance(recipe, Path) else recipe
        where = str(recipe) if file else "recipe"
        named = () if name is None else (f"name={json.dumps(name, ensure_ascii=False)}",)
        chosen = (*overrides, *named)
        parsed, problems = recipe_union.usable(source, where=where, overrides=list(chosen), tags=tags)
        if problems and not to_check:
            raise RecipeError(problems)
        looked_up = search or [*([file.parent] if file else []), Path.cwd()]
        places = tuple(path.absolute() for path in looked_up)
        return cls(parsed, places, source, where, file, chosen, tuple(problems))

    @classmethod
    def of_run(cls, run: RunDir) -> Experiment:
        """The experiment of a run, from its `run.json`. Raises BadInput where that is damaged."""
        try:
            facts = run.read_facts()
            recipe = recipe_union.stored(facts["recipe"])
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(f"run.json cannot be used ({error})", where=str(run.path)) from error
        search = facts.get("search") or facts.get("base_dir") or [str(run.path)]
        return cls(recipe, tuple(Path(place) for place in search))

    @classmethod
    def parse(cls, text: str) -> Experiment:
        """What `dump` wrote in another process. Raises ValueError, KeyError."""
        record = json.loads(text)
        return cls(recipe_union.stored(record["recipe"]), tuple(Path(place) for place in record["search"]))

    def dump(self) -> str:
        """The experiment for another process on this machine."""
        return json.dumps({"recipe": self.recipe.resolved(), "search": [str(place) for place in self.search]})

    @property
    def spec(self) -> TaskSpec:
        return spec_of(self.recipe.task)

    @property
    def digest(self) -> str:
        """16 hex digits, equal for equal experiments."""
        return self.recipe.digest()

    @cached_property
    def model(self) -> locate.Located:
        """Where the model is. Raises ModelError."""
        return locate.locate(self.recipe.model, self.search)

    @cached_property
    def tokenizer(self) -> locate.Located | None:
        """Where the tokenizer is, None where it is trained on the rows. Raises ModelError."""
        own = self.recipe.model.tokenizer
        return locate.locate_tokenizer(self.recipe.model, self.search) if own else self.model
