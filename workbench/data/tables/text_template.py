"""One text out of several columns: `["instruction", "input"]`, or a template such as `"{instruction}\\n\\n{input}"`."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pyarrow as pa

from workbench.core.errors import BadInput
from workbench.data.formats import faults

BETWEEN: Final = "\n\n"
_ROWS: Final = 8192  # made at once
_Parts = list[tuple[str, str | None]]  # what is written as it stands, and the column after it


@dataclass(frozen=True)
class TextTemplate:
    """`{column}` stands for what a row has there, `{{` for a brace.

    A line, and a paragraph, all of whose columns are empty in a row is left out of its text, heading and all. A row
    with nothing in any column has the empty text.
    """

    text: str

    @classmethod
    def of(cls, asked: str | Sequence[str]) -> TextTemplate | None:
        """The template that a field of `[data]` asks for, or several columns a blank line apart; None for one column.

        Raises ValueError for braces that do not match.
        """
        if isinstance(asked, str):
            return cls(asked) if any(name for _, name in _parts(asked)) else None
        return cls.joining(asked) if len(asked) > 1 else None

    @classmethod
    def joining(cls, columns: Sequence[str]) -> TextTemplate:
        """The columns with a blank line between them."""
        return cls(BETWEEN.join(f"{{{name}}}" for name in columns))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, in their order."""
        return tuple(dict.fromkeys(name for paragraph in self._lines for line in paragraph for name in _names(line)))

    @cached_property
    def _lines(self) -> list[list[_Parts]]:
        """The parts of each line of each paragraph."""
        return [[_parts(line) for line in paragraph.split("\n")] for paragraph in self.text.split(BETWEEN)]

    def filled(self, row: Mapping[str, str | None]) -> str:
        """The text of a row; a column that it has not is an empty one."""
        there = {name for name in self.columns if (row.get(name) or "").strip()}
        if not there:
            return ""
        paragraphs = (
            "\n".join(_written(line, row) for line in paragraph if _stays([line], there))
            for paragraph in self._lines
            if _stays(paragraph, there)
        )
        return BETWEEN.join(paragraphs)

    def column(self, parts: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray:
        """The texts of all rows, from the strings of each column."""
        rows = len(next(iter(parts.values())))
        return pa.chunked_array([self._some(parts, start) for start in range(0, rows, _ROWS)], pa.string())

    def _some(self, parts: Mapping[str, pa.ChunkedArray], start: int) -> pa.Array:
        values = [column.slice(start, _ROWS).to_pylist() for column in parts.values()]
        rows = (dict(zip(parts, row, strict=True)) for row in zip(*values, strict=True))
        return pa.array(map(self.filled, rows), pa.string())


def checked(asked: str | Sequence[str], field: str) -> TextTemplate | None:
    """As `TextTemplate.of`. Raises BadInput that names the field."""
    try:
        return TextTemplate.of(asked)
    except ValueError as error:
        raise BadInput(
            f"{faults.quoted(asked)} is no template ({error})", where=field, hint="write {column}, and {{ for a brace"
        ) from error


def _parts(text: str) -> _Parts:
    parts = list(string.Formatter().parse(text))
    if any(name == "" for _, name, _, _ in parts):
        raise ValueError("{} names no column")
    return [(literal, name and name + _rest(form, way)) for literal, name, form, way in parts]


def _rest(form: str | None, way: str | None) -> str:
    """What follows a colon or an exclamation mark, which are part of the name here."""
    return (f"!{way}" if way else "") + (f":{form}" if form else "")


def _names(line: _Parts) -> Iterator[str]:
    return (name for _, name in line if name)


def _stays(lines: list[_Parts], there: set[str]) -> bool:
    named = [name for line in lines for name in _names(line)]
    return not named or not there.isdisjoint(named)


def _written(line: _Parts, row: Mapping[str, str | None]) -> str:
    return "".join(literal + ((row.get(name) or "") if name else "") for literal, name in line)
