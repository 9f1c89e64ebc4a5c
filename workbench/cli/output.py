"""How commands print: plain tables for people, JSON for programs, everything from outside made safe."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Self

import typer

from workbench.contracts.coding import as_json
from workbench.core.errors import WorkbenchError
from workbench.core.text import cells, clean, cut, escaped, pad

_LEAST = 10  # cells of a column that is cut

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON (documented in the README).")]


def say(text: str = "") -> None:
    """A line to standard output, with nothing in it that acts on a terminal."""
    print(clean(text, newlines=True))


def emit(value: object) -> None:
    """`value` as JSON on standard output. NaN and infinities become the strings "NaN", "Infinity", "-Infinity"."""
    print(_json(value, indent=2))


def _json(value: object, indent: int | None = None) -> str:
    """`value` as JSON in characters that act on no terminal and that standard output can write."""
    unicode = (sys.stdout.encoding or "").lower().replace("_", "-").startswith("utf")
    return escaped(json.dumps(as_json(value), ensure_ascii=not unicode, indent=indent))


class JsonList:
    """A list of any length as JSON on standard output, written as it comes; `emit` gives the same text for all of it.

    A block that is left by an error leaves a whole list of what came before, or nothing where there was none.
    """

    def __init__(self) -> None:
        self._begun = False

    def add(self, value: Any) -> None:
        text = _json(value, indent=2)
        sys.stdout.write((",\n  " if self._begun else "[\n  ") + text.replace("\n", "\n  "))
        self._begun = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._begun:
            sys.stdout.write("\n]\n")
        elif kind is None:
            sys.stdout.write("[]\n")
        if isinstance(error, WorkbenchError):
            error.answered = self._begun


class JsonLines:
    """Any number of values on standard output, one a line."""

    def add(self, value: Any) -> None:
        sys.stdout.write(_json(value) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Columns lined up by terminal cells. `right` are flush right.

    On a terminal a row fits a line: the widest column gives way, but none of `whole` (an id that is cut is no id);
    where that is not enough, the columns of `spare` are left out, the first first.
    """
    table = [[clean(cell) for cell in row] for row in [header, *rows]]
    widths = {name: max(cells(row[column]) for row in table) for column, name in enumerate(header)}
    if sys.stdout.isatty():
        widths = _fitted(widths, shutil.get_terminal_size().columns, whole, spare)
    for row in table:
        fields = [
            pad(cut(cell, widths[name]), widths[name], right=name in right)
            for cell, name in zip(row, header, strict=True)
            if name in widths
        ]
        print("  ".join(fields).rstrip())


def _fitted(widths: dict[str, int], columns: int, whole: Sequence[str], spare: Sequence[str]) -> dict[str, int]:
    """The widths with which a row fits `columns` cells, where it can be made to."""
    least = {name: width if name in whole else min(width, _LEAST) for name, width in widths.items()}
    kept = dict(widths)
    for name in spare:
        if _row(least[name] for name in kept) <= columns:
            break
        kept.pop(name, None)
    while _row(kept.values()) > columns and kept != (floor := {name: least[name] for name in kept}):
        kept[max((name for name in kept if kept[name] > floor[name]), key=lambda name: kept[name])] -= 1
    return kept


def _row(widths: Iterable[int]) -> int:
    """The cells that a row of such columns takes, two between each."""
    found = list(widths)
    return sum(found) + 2 * (len(found) - 1)
