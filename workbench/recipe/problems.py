"""What is wrong with a recipe, as sentences: where, which field, its value, and what would be allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from workbench.core.suggest import closest, nearest
from workbench.core.text import cut

_QUOTED = re.compile(r"'([^']*)'")
_SHOWN: Final = 80  # cells of a value that a sentence shows
_HEADER = re.compile(r"^\s*\[\[?\s*([\w.\-]+)\s*\]")
_KEY = re.compile(r"^\s*([\w\-]+(?:\s*\.\s*[\w\-]+)*)\s*=")


class FieldPlaces:
    """Where the fields of a recipe are written: its text, or `--set`. `where` names the file."""

    def __init__(self, text: str, where: str, overridden: Collection[str] = ()) -> None:
        self._lines = _line_index(text)
        self._where, self._overridden = where, overridden

    def place(self, field: str) -> str:
        """`recipe.toml:12`, or `--set train.epochs`; that of its table for a field that is not written."""
        if field in self._overridden:
            return f"--set {field}"
        line = self._lines.get(field) or self._lines.get(field.rsplit(".", 1)[0])
        return f"{self._where}:{line}" if line else self._where


def sentences(
    faults: Iterable[Any], table: dict[str, Any], written: FieldPlaces, known: Mapping[str, str]
) -> list[str]:
    """Pydantic's faults as one sentence a field; `known` are the fields there are, with their descriptions.

    A field of several types fails once for each: one sentence says all that would be allowed.
    """
    found: dict[str, list[str]] = {}
    for fault in faults:
        start, allowed = _problem(fault, table, written, known)
        found.setdefault(start, []).append(allowed)
    return [f"{start}: {', or '.join(dict.fromkeys(allowed))}" for start, allowed in found.items()]


def did_you_mean(field: str, fields: Iterable[str]) -> str:
    """`did you mean train.learning_rate?`, or nothing where no field is close: the whole path first, then its end."""
    known = list(fields)
    tables = {name.rsplit(".", 1)[0] for name in known if "." in name}
    last = {name.rsplit(".", 1)[-1]: name for name in known}
    end = closest(field.rsplit(".", 1)[-1], last)
    own = [] if "." in field else [*tables, *(name for name in known if "." not in name)]
    close = closest(field, own) or closest(field, known) or (last[end] if end else None)
    return f"did you mean {close}?" if close else ""


def _line_index(text: str) -> dict[str, int]:
    """Dotted field or table → line it is written on. Lines inside multi-line strings may add names; none is lost."""
    index: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            section = header[1] + "."
            index.setdefault(header[1], number)
        elif key := _KEY.match(line):
            index.setdefault(section + re.sub(r"\s", "", key[1]), number)
    return index


def _problem(fault: Any, table: dict[str, Any], written: FieldPlaces, known: Mapping[str, str]) -> tuple[str, str]:
    """One pydantic error in two parts: where, which field and its value; and what is allowed."""
    # Union members appear in `loc` as names such as "constrained-int": only what is really in the file is kept.
    path: list[str] = []
    node: Any = table
    for part in fault["loc"]:
        if isinstance(node, dict) and (part in node or not path or fault["type"] == "missing"):
            path.append(str(part))
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int):
            break
    field = ".".join(path)
    place = written.place(field)
    if fault["type"] == "extra_forbidden":
        return f"{place}: unknown key {field}", did_you_mean(field, known) or "no such field"
    if fault["type"] == "missing":
        return f"{place}: {field} is missing", known.get(field, "give it")
    return f"{place}: {field or 'recipe'}{_given(node, field)}", _allowed(fault, field)


def _given(value: Any, field: str) -> str:
    if isinstance(value, dict) or not field:
        return ""
    return f" = {cut(json.dumps(value, ensure_ascii=False, default=str), _SHOWN)}"


_TYPES = {
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a string in quotes",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}


def _allowed(fault: Any, field: str) -> str:
    context = fault.get("ctx", {})
    kind = fault["type"]
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        options = str(context["expected"]).replace(" or ", ", ")
        close = nearest(str(fault.get("input")), _QUOTED.findall(options))
        return f"must be one of {options}{close}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    bounds = {
        "greater_than": ("gt", "more than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "less than"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in bounds:
        key, words = bounds[kind]
        bound = context[key]
        return f"must be {words} {int(bound) if bound == int(bound) else bound}"
    return _TYPES.get(kind, str(fault["msg"]))
