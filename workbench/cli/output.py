"""How commands print: plain tables for people, JSON for programs, everything from outside made safe."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from workbench.events import plain
from workbench.text import cells, clean, cut, pad

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON (documented in the README).")]


def say(text: str = "") -> None:
    """A line to standard output, with nothing in it that acts on a terminal."""
    print(clean(text, newlines=True))


def emit(value: Any) -> None:
    """`value` as JSON on standard output. NaN and infinities become the strings "NaN", "Infinity", "-Infinity"."""
    json.dump(jsonable(value), sys.stdout, ensure_ascii=False, indent=2)
    print()


def jsonable(value: Any) -> Any:
    """`value` with every float as JSON can say it."""
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    return value


def figure(value: float | None) -> str:
    """A number as people read it: four significant digits, whole where it is large, – where there is none."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(plain(value))
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Columns lined up by terminal cells. On a terminal the widest column gives way so that a row fits a line."""
    table = [[clean(cell) for cell in row] for row in [header, *rows]]
    widths = [max(cells(row[column]) for row in table) for column in range(len(header))]
    if sys.stdout.isatty():
        _squeeze(widths, shutil.get_terminal_size().columns - 2 * (len(widths) - 1))
    for row in table:
        fields = [
            pad(cut(cell, width), width, right=name in right)
            for cell, width, name in zip(row, widths, header, strict=True)
        ]
        print("  ".join(fields).rstrip())


def _squeeze(widths: list[int], room: int) -> None:
    while sum(widths) > room and max(widths) > 6:
        widths[widths.index(max(widths))] -= 1
