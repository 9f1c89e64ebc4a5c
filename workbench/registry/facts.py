"""What a run is: `run.json`, as its row and as fields to filter by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workbench.core.flatten import flatten
from workbench.core.rundir import RunDir
from workbench.registry.applier import storable


@dataclass(frozen=True, slots=True)
class Facts:
    """A run's unchanging facts. `known` is False where `run.json` could not be read; the rest is then empty."""

    name: str
    task: str = ""
    model: str = ""
    data: str = ""
    digest: str = ""
    created: float = 0.0
    tags: tuple[str, ...] = ()
    notes: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    known: bool = True

    @property
    def recipe_json(self) -> str:
        return storable(json.dumps(self.recipe, separators=(",", ":"), ensure_ascii=False))

    def fields(self) -> Iterator[tuple[str, float | None, str]]:
        """Every recipe field as name, number (None where it is none) and text."""
        for name, value in _fields(self.recipe):
            if value is not None:
                yield storable(name), _number(value), storable(_text(value))


def read(run: RunDir) -> Facts:
    """The facts of a run, or what little its name says where `run.json` is missing or damaged."""
    try:
        facts = run.read_facts()
        recipe = facts.get("recipe")
        return _facts(run.id, facts, recipe if isinstance(recipe, dict) else {})
    except (OSError, ValueError, TypeError, RecursionError):
        return Facts(name=storable(run.id), known=False)


def _facts(id: str, facts: Mapping[str, Any], recipe: Mapping[str, Any]) -> Facts:
    model, data = _table(recipe, "model"), _table(recipe, "data")
    tags = [*recipe.get("tags", ()), *facts.get("tags", ())]
    return Facts(
        name=storable(str(facts.get("name") or recipe.get("name") or id)),
        task=storable(str(recipe.get("task") or "")),
        model=storable(str(model.get("name") or model.get("architecture") or "")),
        data=storable(str(data.get("source") or data.get("train") or "")),
        digest=storable(str(facts.get("digest") or "")),
        created=_seconds(facts.get("created")),
        tags=tuple(dict.fromkeys(storable(str(tag)) for tag in tags)),
        notes=storable(str(recipe.get("notes") or "")),
        recipe=recipe,
    )


def _table(recipe: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = recipe.get(name)
    return table if isinstance(table, dict) else {}


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return float(value or 0.0)


def _fields(recipe: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every field; of a table whose keys the user chose, each key."""
    for name, value in flatten(recipe).items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
