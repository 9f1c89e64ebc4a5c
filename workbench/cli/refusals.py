"""Errors as `--json` gives them: `{"ok": false, "errors": [{"file", "line", "row", "field", "message", "hint"}]}`.

A problem of a recipe or of data is a sentence of the form `place: what: hint`, as `workbench.core.errors` says; it is
taken apart here. What a sentence does not tell is None.
"""

from __future__ import annotations

import re
from typing import Final

from workbench.core.errors import RecipeError, WorkbenchError

Refusal = dict[str, str | int | None]

_PLACE: Final = re.compile(
    r"(?P<file>(?:[^:\n]|:(?! ))+?)(?::(?P<line>\d+)|, row (?P<row>\d+))?: (?P<rest>.+)", re.DOTALL
)
_FIELD: Final = re.compile(r"(?P<field>[a-z][a-z_0-9]*(?:\.[A-Za-z_0-9]+)*)(?=[: ]|$)")


def record(error: WorkbenchError) -> dict[str, object]:
    """All that an error tells, for a program."""
    problems = error.problems if isinstance(error, RecipeError) else None
    if problems is None:
        return {"ok": False, "errors": [_of_parts(error.where, error.what, error.hint or None)]}
    return {"ok": False, "errors": [_of_sentence(problem, error.where) for problem in problems]}


def _of_sentence(problem: str, where: str) -> Refusal:
    """A problem of a recipe. It may stand in the recipe, in its data, or after `--set`."""
    place, rest = where, problem
    found = _PLACE.fullmatch(problem)
    if found and (found["line"] or found["row"] or "/" in found["file"]):
        place, rest = problem[: found.start("rest") - 2], found["rest"]
    what, colon, hint = rest.rpartition(": ")
    return _of_parts(
        place, what if colon and not _is_field(what) else rest, hint if colon and not _is_field(what) else None
    )


def _of_parts(where: str, what: str, hint: str | None) -> Refusal:
    located = _PLACE.fullmatch(f"{where}: .") if where and not _is_field(where) else None
    named = where if _is_field(where) else _named(what)
    return {
        "file": located["file"] if located else None,
        "line": int(located["line"]) if located and located["line"] else None,
        "row": int(located["row"]) if located and located["row"] else None,
        "field": named,
        "message": what,
        "hint": hint,
    }


def _is_field(text: str) -> bool:
    return text in _fields()


def _named(sentence: str) -> str | None:
    """The field of a recipe that a sentence begins with."""
    found = _FIELD.match(sentence.removeprefix("unknown key "))
    return found["field"] if found and (_is_field(found["field"]) or sentence.startswith("unknown key ")) else None


def _fields() -> frozenset[str]:
    from workbench.recipe.reading import all_fields
    from workbench.tasks.recipe_union import kinds

    return frozenset(all_fields(kinds()))
