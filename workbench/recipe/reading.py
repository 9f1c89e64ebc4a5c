"""A recipe file and its overrides read, validated whole, and refused with every problem told at once."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench.core.errors import RecipeError
from workbench.core.flatten import TABLES, flatten
from workbench.core.suggest import nearest
from workbench.core.text import cut
from workbench.recipe.problems import FieldPlaces, did_you_mean, sentences
from workbench.recipe.schema import Recipe, fields

Kinds = Mapping[str, type[Recipe]]
"""The kinds of recipe there are, by the task that each is for."""

_AT = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)
_DIGITS = re.compile(r"\b(?:0[xob][0-9A-Fa-f_]{250,}|[0-9_]{300,})\b")
_TOO_LONG = "a number has more digits than any number can hold: write a smaller one"
_BYTE_ORDER_MARK = "\ufeff"  # some editors begin a UTF-8 file with it; TOML has no place for it


def text_of(path: Path) -> str:
    """The text of a recipe file, line ends and all. Raises RecipeError where it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise RecipeError(["no such recipe: see `workbench recipes ls`"], where=str(path)) from error
    except OSError as error:
        told = f"cannot be read ({error.strerror or error}): give a recipe file"
        raise RecipeError([told], where=str(path)) from error
    except UnicodeDecodeError as error:
        raise RecipeError([f"not UTF-8 ({error.reason} at byte {error.start}): save it so"], where=str(path)) from error


def parse(
    text: str, kinds: Kinds, *, where: str = "recipe", overrides: list[str] | None = None, tags: Sequence[str] = ()
) -> Recipe:
    """The recipe in `text`, of the kind that its task names. `where` names it in messages; `tags` are added to its own.

    Raises RecipeError with every problem in it.
    """
    recipe, problems = usable(text, kinds, where=where, overrides=overrides, tags=tags)
    if problems:
        raise RecipeError(problems)
    return recipe


def usable(
    text: str, kinds: Kinds, *, where: str = "recipe", overrides: list[str] | None = None, tags: Sequence[str] = ()
) -> tuple[Recipe, list[str]]:
    """As `parse`, but a field that is wrong is left out where the rest is a recipe: that, and every problem in it.

    Raises RecipeError where it is none.
    """
    table = _table(text, where)
    known = all_fields(kinds)
    problems: list[str] = []
    overridden: set[str] = set()
    for assignment in overrides or []:
        try:
            overridden.add(_override(table, assignment, known))
        except ValueError as error:
            problems.append(f"--set {cut(assignment, 80)}: {error}")
    if tags:
        _add_tags(table, tags)
        overridden.add("tags")
    written = FieldPlaces(text, where, frozenset(overridden))
    kind = kinds.get(str(table.get("task")), Recipe)
    if kind is Recipe and "task" in table:
        problems.append(_no_such_task(table["task"], kinds, written))
    problems += _take_foreign(table, kind, kinds, written)
    try:
        recipe = _validated(kind, table, overrides or [])
    except ValidationError as error:
        problems += sentences(error.errors(), table, written, fields(kind))
        recipe = _without_faults(kind, table, error, problems)
    return recipe, problems


def _validated(kind: type[Recipe], table: dict[str, object], overrides: Sequence[str]) -> Recipe:
    """The recipe; an override of a field that takes text is its text as it was written. Raises ValidationError."""
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        given = {key.strip(): value for key, _, value in (assignment.partition("=") for assignment in overrides)}
        faults = [".".join(map(str, fault["loc"])) for fault in error.errors() if fault["type"] == "string_type"]
        if not (texts := [field for field in faults if field in given]):
            raise
        for field in texts:
            _set(table, field, given[field])
        return kind.model_validate(table)


def _without_faults(kind: type[Recipe], table: dict[str, Any], error: ValidationError, problems: list[str]) -> Recipe:
    """The recipe of all fields but those at fault. Raises RecipeError with the problems where that is none."""
    for fault in error.errors():
        section, field, *_ = (*map(str, fault["loc"]), "", "")
        nested = table.get(section)
        if isinstance(nested, dict) and field in nested:
            del nested[field]
        else:
            table.pop(section, None)
    try:
        return kind.model_validate(table)
    except ValidationError:
        raise RecipeError(problems) from error


def _add_tags(table: dict[str, object], tags: Sequence[str]) -> None:
    """What is no list of tags is left for validation to refuse."""
    known = table.get("tags", [])
    if isinstance(known, list) and all(isinstance(tag, str) for tag in known):
        table["tags"] = list(dict.fromkeys([*known, *tags]))


def _no_such_task(task: Any, kinds: Kinds, written: FieldPlaces) -> str:
    given = cut(json.dumps(task, ensure_ascii=False, default=str), 80)
    known = ", ".join(f"'{name}'" for name in kinds)
    return f"{written.place('task')}: task = {given}: must be one of {known}{nearest(str(task), kinds)}"


def all_fields(kinds: Kinds) -> dict[str, str]:
    """Every field of any kind of recipe with its description, those that all have first."""
    there: list[type[Recipe]] = [Recipe, *kinds.values()]
    return {name: told for kind in there for name, told in fields(kind).items()}


def owners(field: str, kinds: Kinds) -> list[str]:
    """The tasks whose recipes have a field."""
    return [task for task, kind in kinds.items() if field in fields(kind)]


def without_foreign(resolved: Mapping[str, Any], kinds: Kinds) -> dict[str, Any]:
    """A stored recipe without the fields of other tasks: versions before this one wrote those of all."""
    own = {name: dict(value) if isinstance(value, dict) else value for name, value in resolved.items()}
    _remove(own, _foreign(own, kinds.get(str(own.get("task")), Recipe), kinds))
    return own


def _take_foreign(table: dict[str, Any], kind: type[Recipe], kinds: Kinds, written: FieldPlaces) -> Iterator[str]:
    """Take fields of other tasks out of the table, and say of each whose it is."""
    foreign = list(_foreign(table, kind, kinds))
    _remove(table, foreign)
    for field in foreign if kind is not Recipe else ():
        whose = " and ".join(owners(field, kinds))
        yield f"{written.place(field)}: {field} is of {whose}: leave it out of a recipe for {table['task']}"


def _foreign(table: dict[str, Any], kind: type[Recipe], kinds: Kinds) -> Iterator[str]:
    own, known = fields(kind), all_fields(kinds)
    for field in flatten(table):
        if field not in own and field in known:
            yield field


def _remove(table: dict[str, Any], given: Iterable[str]) -> None:
    """Take fields out of nested tables, and the tables that they leave empty."""
    for field in given:
        section, _, name = field.rpartition(".")
        nested = table[section] if section else table
        del nested[name]
        if section and not nested:
            del table[section]


def _table(text: str, where: str) -> dict[str, Any]:
    try:
        return _parsed(text.removeprefix(_BYTE_ORDER_MARK))
    except tomllib.TOMLDecodeError as error:
        at = _AT.fullmatch(str(error))
        told = f"{at['what']} at column {at['column']}" if at else str(error)
        place = f"{where}:{at['line']}" if at else where
        raise RecipeError([f"{place}: not TOML: {told}"]) from error
    except OverflowError as error:
        line = _line_of_digits(text)
        place = f"{where}:{line}" if line else where
        raise RecipeError([f"{place}: {error}"]) from error
    except RecursionError as error:
        raise RecipeError(["lists or tables stand too deep in one another: write it flat"], where=where) from error


def _parsed(text: str) -> dict[str, Any]:
    """A TOML document. Raises TOMLDecodeError, RecursionError, and OverflowError for a number nothing can hold."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # Python reads no number of more than 4,300 digits
        raise OverflowError(_TOO_LONG) from error
    if _holds_more(table):
        raise OverflowError(_TOO_LONG)
    return table


def _holds_more(value: object) -> bool:
    """Whether there is a whole number in it that is greater than any float: it could not even be shown."""
    if isinstance(value, dict):
        return any(map(_holds_more, value.values()))
    if isinstance(value, list):
        return any(map(_holds_more, value))
    return isinstance(value, int) and value.bit_length() > 1024


def _line_of_digits(text: str) -> int | None:
    return next((number for number, line in enumerate(text.splitlines(), 1) if _DIGITS.search(line)), None)


def _override(table: dict[str, Any], assignment: str, known: Mapping[str, str]) -> str:
    """Set `train.learning_rate=3e-5` in the table; the value is TOML, or else a string. Returns the field."""
    key, equals, value = assignment.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ValueError("write it as field=value, such as train.epochs=1")
    if key not in known and not key.startswith(tuple(f"{name}." for name in (*TABLES, "data.subset"))):
        raise ValueError(f"unknown field: {did_you_mean(key, known) or 'see the README for those there are'}")
    _set(table, key, None if value.strip() in {"none", "null"} else _value(value))
    return key


def _set(table: dict[str, object], field: str, value: object) -> None:
    """Write a value into nested tables; None takes the field out. Raises ValueError."""
    *parents, last = field.split(".")
    for parent in parents:
        nested = table.setdefault(parent, {})
        if not isinstance(nested, dict):
            raise ValueError(f"{parent} is not a table")
        table = nested
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value


def _value(text: str) -> Any:
    """The value after `=`: TOML, or else the text itself, so that a string needs no quotes. Raises ValueError."""
    try:
        parsed = _parsed(f"value = {text}")
    except OverflowError as error:
        raise ValueError(str(error)) from error
    except (tomllib.TOMLDecodeError, RecursionError):
        if text.lstrip().startswith(('"', "'", "[", "{")):
            raise ValueError(
                "this begins like a TOML string, list or table and is none: check its quotes or brackets"
            ) from None
        return text
    return parsed["value"] if len(parsed) == 1 else text
