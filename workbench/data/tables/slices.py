"""`train[:500]`, `train[10%:20%]`, `test[-100:]`: a split or a file, whole or sliced."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.core.errors import DataError

_FORM = re.compile(r"^(?P<name>.+?)\s*(?:\[\s*(?P<start>-?\d+%?)?\s*:\s*(?P<stop>-?\d+%?)?\s*\])?$", re.DOTALL)


@dataclass(frozen=True)
class Slice:
    """What a recipe says of a split. Bounds are as written: rows or percent, negative from the end."""

    name: str
    start: str | None
    stop: str | None

    def bounds(self, rows: int) -> tuple[int, int, list[str]]:
        """First row and the row after the last, within `rows`, and what is to be said of it.

        Percent are rounded to the nearest row, as `datasets` does.
        """
        notes: list[str] = []
        start = 0 if self.start is None else self._bound(self.start, rows, notes)
        stop = rows if self.stop is None else self._bound(self.stop, rows, notes)
        return start, max(start, stop), notes

    def _bound(self, bound: str, rows: int, notes: list[str]) -> int:
        value = round(rows * int(bound[:-1]) / 100) if bound.endswith("%") else int(bound)
        if abs(value) > rows:
            notes.append(f"{self}: there are only {rows} rows")
        return min(max(value + rows if value < 0 else value, 0), rows)

    def __str__(self) -> str:
        if self.start is None and self.stop is None:
            return self.name
        return f"{self.name}[{self.start or ''}:{self.stop or ''}]"


def parse(spec: str, where: str) -> Slice:
    """The slice a recipe writes. Raises DataError where the brackets do not parse."""
    match = _FORM.match(spec.strip())
    if match is None or "[" in match["name"]:
        raise DataError(
            f"'{spec}' is no split", where=where, hint="write a name, or a slice such as train[:500] or train[10%:20%]"
        )
    return Slice(match["name"].strip(), match["start"], match["stop"])
