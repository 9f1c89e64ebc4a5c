"""Several labels in one cell of text: found, asked about, and read as a list.

`"price, quality"` and the like is divided by `data.label_separator`. A printed list (`"['price', 'quality']"`, numpy's
`"[0 1 1]"` too) is read where `data.problem` says that there are several labels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from workbench.core.errors import BadInput, DataError
from workbench.core.text import clean
from workbench.data.formats import faults
from workbench.data.tables import columns
from workbench.data.tables.column_roles import Columns

_PRINTED: Final = r"^\s*(\[.*\]|\{.*\}|\(\s*['\x22].*\))\s*$"
_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_WHOLE: Final = re.compile(r"-?\d+")
_LOOKED_AT: Final = 10_000  # different cells
_SEPARATORS: Final = {
    "|": "bars", ";": "semicolons", ",": "commas", "/": "slashes", "+": "plus signs", "&": "ampersands", "#": "hashes",
    " ": "spaces",
}  # fmt: skip
_PLAIN: Final = "|;,"  # those that are seldom part of a name


def opened(table: pa.Table, train: pa.Table, chosen: Columns, separator: str | None, problem: str | None) -> pa.Table:
    """The table with lists for its cells of several labels, where the recipe says that they are that.

    An empty cell holds nothing. Raises BadInput where there are no cells of text to divide.
    """
    name = chosen.lone("label")
    if separator is not None and (name is None or problem in ("single-label", "regression")):
        why = "one label a row is asked for" if name is not None else "one column of labels has to be named"
        raise BadInput(f"{why}, and nothing to divide", where="data.label_separator", hint="leave it out")
    if name is None or not (separator or problem == "multi-label"):
        return table
    if columns.kind(train.column(name).type) != "string":
        if separator is None:
            return table
        holds = columns.kinds(train.column(name).type)
        raise BadInput(
            f"{faults.quoted(name)} holds {holds}, not texts to divide",
            where="data.label_separator",
            hint="leave it out",
        )
    if separator is None and not _printed(train.column(name)):
        return table
    place = table.schema.get_field_index(name)
    lists = _lists(columns.strings(table, name, "data.label"), separator)
    return table.set_column(place, name, lists).replace_schema_metadata(table.schema.metadata)


def _printed(column: pa.ChunkedArray) -> bool:
    """Whether every cell that is not empty is a printed list."""
    there = column.filter(pc.match_substring_regex(column, r"\S"))
    return len(there) > 0 and bool(pc.all(pc.match_substring_regex(there, _PRINTED)).as_py())


def _lists(column: pa.ChunkedArray, separator: str | None) -> pa.ChunkedArray:
    encoded = column.combine_chunks().dictionary_encode()
    read = [parts(cell, separator) for cell in encoded.dictionary.to_pylist()]
    items = [item for several in read for item in several or ()]
    if items and all(_WHOLE.fullmatch(item) for item in items):
        of_each = pa.array([None if held is None else list(map(int, held)) for held in read], pa.list_(pa.int64()))
    else:
        of_each = pa.array(read, pa.list_(pa.string()))
    return pa.chunked_array([of_each.take(encoded.indices)])


def parts(cell: str, separator: str | None) -> list[str] | None:
    """The names in a cell, None where it is empty. A printed list is read as one, whatever the separator."""
    if not cell.strip():
        return None
    if re.fullmatch(_PRINTED, cell, re.DOTALL):
        inner = cell.strip()[1:-1]
        if quoted := _QUOTED.findall(inner):
            return [re.sub(r"\\(.)", r"\1", one or other) for one, other in quoted]
        separator = "," if "," in inner else " "
        cell = inner
    found = cell.split(separator) if separator and separator.strip() else cell.split()
    return [name.strip() for name in found if name.strip()]


def question(column: pa.ChunkedArray, name: str, given: Sequence[str] | None, where: str) -> DataError | None:
    """The DataError that asks what cells mean which look like several labels each; None where they do not."""
    if columns.kind(column.type) != "string":
        return None
    if _printed(column):
        shown = faults.quoted(pc.drop_null(column)[0].as_py())
        return DataError(
            f"each cell of {clean(name)} is a printed list, such as {shown}",
            where=where,
            hint='set data.problem = "multi-label" to read the labels in it (places of 0 and 1 are named by '
            'data.labels), or "single-label" to take each cell as one class',
        )
    found = next((joint for joint in _joints(column) if joint.likely), None)
    if found is None or (given is not None and found.cells <= set(given)):
        return None
    return DataError(
        f"{len(found.cells)} different cells of {clean(name)} seem to hold several labels between "
        f"{_SEPARATORS[found.separator]}, such as {faults.quoted(found.example)}",
        where=where,
        hint=f'set data.label_separator = "{found.separator}" to read them as such, or data.problem = "single-label" '
        "to take each cell as one class",
    )


def doubt(column: pa.ChunkedArray, name: str) -> str | None:
    """A sentence about classes that could be several labels, though little speaks for it."""
    if columns.kind(column.type) != "string":
        return None
    found = next((joint for joint in _joints(column) if joint.separator in _PLAIN), None)
    if found is None:
        return None
    count, classes = len(found.cells), len(pc.unique(pc.drop_null(column)))
    return (
        f"{clean(name)}: {count} of {classes} classes hold {_SEPARATORS[found.separator]}, such as "
        f"{faults.quoted(found.example)}, and each is read as one class: if they are several labels, set "
        f'data.label_separator = "{found.separator}"'
    )


def several(column: pa.ChunkedArray) -> str:
    """How to have the cells of a column of text read as several labels each."""
    found = next(iter(_joints(column)), None)
    separator = "," if found is None else found.separator
    return f'set data.label_separator to what stands between the labels of a cell, such as "{separator}"'


@dataclass(frozen=True)
class _Joint:
    """A separator, and the cells that it divides, by their parts."""

    separator: str
    divided: dict[str, list[str]]
    alone: frozenset[str]

    @property
    def cells(self) -> set[str]:
        return set(self.divided)

    @property
    def example(self) -> str:
        return next(iter(self.divided))

    @property
    def likely(self) -> bool:
        """Whether the parts of half of the cells stand in other cells too, and not as `City, State`."""
        held = Counter(part for several in self.divided.values() for part in set(several))
        held.update(self.alone)
        if self.separator == " " and not self._numbers:
            return all(part in self.alone for several in self.divided.values() for part in several)
        known = sum(all(held[part] > 1 for part in several) for several in self.divided.values())
        return 2 * known >= len(self.divided) and not self._by_place() and not self._decimals()

    def _by_place(self) -> bool:
        """Whether each place has names of its own, none of which stands alone."""
        places = list(zip(*self.divided.values(), strict=False))
        same = len({len(several) for several in self.divided.values()}) == 1
        names = [set(place) for place in places]
        apart = sum(map(len, names)) == len(set().union(*names))
        return same and apart and self.alone.isdisjoint(set().union(*names))

    def _decimals(self) -> bool:
        """Whether these may be numbers or dates rather than ids."""
        longest = max(map(len, self.divided.values()))
        return self._numbers and (self.separator == "/" or (self.separator == "," and longest < 3))

    @property
    def _numbers(self) -> bool:
        return all(part.isdecimal() for several in self.divided.values() for part in several)


def _joints(column: pa.ChunkedArray) -> Iterator[_Joint]:
    """Of each separator that divides a cell, what it makes of the different cells."""
    cells = [cell for cell in pc.unique(column)[:_LOOKED_AT].to_pylist() if cell and cell.strip()]
    for separator in _SEPARATORS:
        divided = {cell: named for cell in cells if len(named := parts(cell, separator) or []) > 1}
        if divided:
            yield _Joint(separator, divided, frozenset(cell.strip() for cell in cells if cell not in divided))
