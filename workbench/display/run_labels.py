"""How a run is called where several stand together: by name, and by what differs where the name is another's too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from workbench.core.flatten import flatten
from workbench.core.text import cells, clean, cut

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow

WIDTH: Final = 24
"""Cells that what differs takes at most: as many of the differences as fit whole."""

# Fields people know a run by, in the order in which they are named, with the word for each; `{}` is the value.
_WORDS: Final[Mapping[str, str]] = {
    "model.name": "{}", "model.architecture": "{}", "data.source": "{}", "data.train": "{}", "train.method": "{}",
    "train.learning_rate": "lr {}", "train.epochs": "{} epochs", "train.max_steps": "{} steps",
    "train.batch_size": "batch {}", "data.max_length": "length {}", "train.lora.rank": "rank {}", "seed": "seed {}",
}  # fmt: skip
_NOT_WHAT_IT_DOES: Final = ("name", "notes", "tags")


def differences(runs: Sequence[RunRow]) -> dict[str, str]:
    """`lr 4e-4 · 50 steps` for each run that shares its name with another of `runs`; empty where nothing differs.

    A run whose name is its own is left out.
    """
    named: dict[str, list[RunRow]] = {}
    for run in {run.id: run for run in runs}.values():
        named.setdefault(run.name, []).append(run)
    return {id: said for alike in named.values() if len(alike) > 1 for id, said in _told_apart(alike).items()}


def label(run: RunRow, apart: Mapping[str, str]) -> str:
    """Name, what differs, and the id where the name alone does not say which run it is."""
    return " · ".join(filter(None, (run.name, apart[run.id], run.id))) if run.id in apart else run.name


def full_label(run: RunRow, runs: Sequence[RunRow] = ()) -> str:
    """Name, what differs from those of `runs` that have the same name, and always the id."""
    return " · ".join(filter(None, (cut(clean(run.name), 40), differences((run, *runs)).get(run.id, ""), run.id)))


def fitted_label(name: str, apart: str, room: int) -> tuple[str, str]:
    """The name, cut so that what differs stands whole beside it in `room` cells, and what differs."""
    return cut(clean(name), max(1, room - cells(apart) - bool(apart))), clean(apart)


def _told_apart(runs: Sequence[RunRow]) -> dict[str, str]:
    recipes = [_fields(run.recipe_json) for run in runs]
    # A field that an older version did not have says nothing of the run.
    shared = [key for key in recipes[0] if all(key in recipe for recipe in recipes)]
    differing = [key for key in shared if len({recipe[key] for recipe in recipes}) > 1]
    ordered = [key for key in _WORDS if key in differing] + [key for key in differing if key not in _WORDS]
    return {run.id: _said(recipe, ordered) for run, recipe in zip(runs, recipes, strict=True)}


@lru_cache(maxsize=1024)
def _fields(recipe: str) -> Mapping[str, str]:
    """The resolved recipe as fields and the words for their values; no field is `None` in words."""
    try:
        flat = flatten(json.loads(recipe))
    except (ValueError, AttributeError):  # a registry that is damaged just here
        return {}
    return {key: _value(value) for key, value in flat.items() if key not in _NOT_WHAT_IT_DOES}


def _said(recipe: Mapping[str, str], keys: Sequence[str]) -> str:
    """As many of the differences as fit, the first always."""
    said = ""
    for key in keys:
        if not (value := recipe[key]):
            continue
        word = _WORDS.get(key, f"{key.rpartition('.')[2]} {{}}").format(value)
        longer = f"{said} · {word}" if said else cut(word, WIDTH)
        said = longer if cells(longer) <= WIDTH else said
    return said


def _value(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, float):
        return short_number(value)
    if isinstance(value, str):
        return clean(short_name(value))
    return clean(json.dumps(value, ensure_ascii=False, default=str))


def short_number(value: float) -> str:
    """`4e-4`, `0.05`, `3`: as one types it into a recipe."""
    if not value or abs(value) >= 0.01:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def short_name(name: str) -> str:
    """`google-bert/bert-base-cased` → `bert-base-cased`, `builtin:minilm` → `minilm`; the last part of a path."""
    return name.rstrip("/").rsplit("/", 1)[-1].removeprefix("builtin:") or name
