"""A recipe file and its overrides read, validated whole, and refused with every problem told at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench.core.errors import RecipeError
from workbench.core.flatten import TABLES
from workbench.core.text import cut
from workbench.recipe.problems import did_you_mean, sentences
from workbench.recipe.schema import Recipe, fields

_AT = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)
_BYTE_ORDER_MARK = "\ufeff"  # some editors begin a UTF-8 file with it; TOML has no place for it


def load(path: Path, overrides: list[str] | None = None) -> Recipe:
    """The recipe in a file, with `--set` overrides. Raises RecipeError, every problem in it."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise RecipeError(["no such recipe: see `workbench recipes ls`"], where=str(path)) from error
    except OSError as error:
        told = f"cannot be read ({error.strerror or error}): give a recipe file"
        raise RecipeError([told], where=str(path)) from error
    except UnicodeDecodeError as error:
        raise RecipeError([f"not UTF-8 ({error.reason} at byte {error.start}): save it so"], where=str(path)) from error
    return parse(text, where=str(path), overrides=overrides)


def parse(text: str, *, where: str = "recipe", overrides: list[str] | None = None) -> Recipe:
    """The recipe in `text`. `where` names it in messages. Raises RecipeError, every problem in it."""
    table = _table(text, where)
    problems: list[str] = []
    overridden: set[str] = set()
    for assignment in overrides or []:
        try:
            overridden.add(_override(table, assignment))
        except ValueError as error:
            problems.append(f"--set {cut(assignment, 80)}: {error}")
    try:
        recipe = Recipe.model_validate(table)
    except ValidationError as error:
        problems += sentences(error.errors(), table, text, where, overridden)
        raise RecipeError(problems) from error
    if problems:
        raise RecipeError(problems)
    return recipe


def _table(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix(_BYTE_ORDER_MARK))
    except tomllib.TOMLDecodeError as error:
        at = _AT.fullmatch(str(error))
        told = f"{at['what']} at column {at['column']}" if at else str(error)
        place = f"{where}:{at['line']}" if at else where
        raise RecipeError([f"{place}: not TOML: {told}"]) from error
    except RecursionError as error:
        raise RecipeError(["lists or tables stand too deep in one another: write it flat"], where=where) from error


def _override(table: dict[str, Any], assignment: str) -> str:
    """Set `train.learning_rate=3e-5` in the table; the value is TOML, or else a string. Returns the field."""
    key, equals, value = assignment.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ValueError("write it as field=value, such as train.epochs=1")
    if key not in fields() and not key.startswith(tuple(f"{name}." for name in (*TABLES, "data.subset"))):
        raise ValueError(f"unknown field: {did_you_mean(key) or 'see the README for those there are'}")
    *parents, last = key.split(".")
    for parent in parents:
        nested = table.setdefault(parent, {})
        if not isinstance(nested, dict):
            raise ValueError(f"{parent} is not a table")
        table = nested
    if value.strip() in {"none", "null"}:
        table.pop(last, None)
        return key
    table[last] = _value(value)
    return key


def _value(text: str) -> Any:
    """The value after `=`: TOML, or else the text itself, so that a string needs no quotes. Raises ValueError."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        if text.lstrip().startswith(('"', "'", "[", "{")):
            raise ValueError(
                "what begins like a TOML string, list or table is none: mend its quotes or brackets"
            ) from None
        return text
    return parsed["value"] if len(parsed) == 1 else text
