"""Pages of a split without reading it all: the first is there at once, however large the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workbench.core.errors import DataError
from workbench.data.formats import blocks
from workbench.data.formats.blocks import BROKEN, Block
from workbench.data.tables.sources import SplitFiles

__all__ = ["BROKEN", "Pager", "Row", "open_pager"]

Row = dict[str, Any]


@dataclass
class _Search:
    """Rows found so far, and how many blocks were looked through for them."""

    found: list[int] = field(default_factory=list)
    blocks: int = 0


class Pager:
    """Rows of one split in pages. Not safe from several threads at once."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._source = iter(blocks)
        self._blocks: list[Block] = []
        self._starts: list[int] = [0]
        self._done = False
        self._fault: DataError | None = None
        self._searches: dict[tuple[str, str, str], _Search] = {}

    @property
    def known(self) -> int:
        """Rows found so far."""
        return self._starts[-1]

    @property
    def total(self) -> int | None:
        """Rows in all; None while the end has not been seen. `count` goes and looks."""
        return self.known if self._done else None

    def count(self) -> int:
        """Rows in all; finds every block. Raises DataError."""
        while self._find():
            pass
        return self.known

    def page(self, offset: int, limit: int) -> list[Row]:
        """Rows `offset` (from 0) and on, at most `limit`; fewer at the end. A broken line is `{BROKEN: fault}`."""
        while self.known < offset + limit and self._find():
            pass
        rows: list[Row] = []
        for block, start in zip(self._blocks, self._starts, strict=False):
            inside = offset + len(rows) - start
            if 0 <= inside < block.rows and len(rows) < limit:
                rows += block.read(inside, limit - len(rows)).to_pylist()
        return rows

    def search(
        self, offset: int, limit: int, contains: str = "", *, column: str = "", value: str = ""
    ) -> list[tuple[int, Row]]:
        """Rows, with their numbers, that hold `contains` in a column of strings (any case) and whose `column` is
        `value` as text: of those found the ones from `offset` on. Looks no further than it must."""
        state = self._searches.setdefault((contains, column, value), _Search())
        while len(state.found) < offset + limit:
            if state.blocks == len(self._blocks) and not self._find():
                break
            block, start = self._blocks[state.blocks], self._starts[state.blocks]
            mask = _matching(block.read(0, block.rows), contains, column, value)
            state.found += (np.flatnonzero(mask) + start).tolist()
            state.blocks += 1
        return self._at(state.found[offset : offset + limit])

    def _at(self, numbers: list[int]) -> list[tuple[int, Row]]:
        """The rows of those numbers, which rise; each block is read once."""
        rows: list[tuple[int, Row]] = []
        for block, start in zip(self._blocks, self._starts, strict=False):
            inside = [number - start for number in numbers if 0 <= number - start < block.rows]
            if inside:
                table = block.read(inside[0], inside[-1] - inside[0] + 1)
                picked = table.take(pa.array([place - inside[0] for place in inside]))
                rows += zip([start + place for place in inside], picked.to_pylist(), strict=True)
        return rows

    def found(self, contains: str = "", *, column: str = "", value: str = "") -> tuple[int, bool]:
        """How many rows a search has found so far, and whether it has looked through all."""
        state = self._searches.get((contains, column, value), _Search())
        return len(state.found), self._done and state.blocks == len(self._blocks)

    def _find(self) -> bool:
        if self._fault is not None:
            raise self._fault
        try:
            block = next(self._source, None)
        except DataError as error:
            self._fault = error
            raise
        if block is None:
            self._done = True
            return False
        self._blocks.append(block)
        self._starts.append(self._starts[-1] + block.rows)
        return True


def open_pager(part: SplitFiles) -> Pager:
    """Pages of one split of a source. Raises DataError, now or when the place of a fault is reached."""
    return Pager(_blocks(part))


def _blocks(part: SplitFiles) -> Iterator[Block]:
    runs = [blocks.of_file(path, part.format) if part.format else None for path in part.files]
    if not runs or None in runs:
        table = part.table()
        yield Block(table.num_rows, table.slice)
        return
    for run in runs:
        yield from run or ()


_Mask = npt.NDArray[np.bool_]


def _matching(table: pa.Table, contains: str, column: str, value: str) -> _Mask:
    mask = np.ones(table.num_rows, dtype=bool)
    if contains:
        hits = np.zeros(table.num_rows, dtype=bool)
        for held in table.columns:
            hits |= _holding(held.combine_chunks(), contains)
        mask &= hits
    if column:
        if column not in table.column_names:
            return np.zeros(table.num_rows, dtype=bool)
        mask &= _being(table.column(column).combine_chunks(), value)
    return mask


def _holding(values: pa.Array, text: str) -> _Mask:
    """Which values have the text in them, at any depth, in any case."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if _is_list(values.type):
        return _of_lists(values, _holding(pc.list_flatten(values), text))
    if pa.types.is_struct(values.type):
        hits = np.zeros(len(values), dtype=bool)
        for part in values.flatten():
            hits |= _holding(part, text)
        return hits
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return np.zeros(len(values), dtype=bool)
    return _mask(pc.match_substring(values, text, ignore_case=True))


def _being(values: pa.Array, text: str) -> _Mask:
    """Which values are, as text, the one looked for; a list is where one of its items is."""
    if _is_list(values.type):
        return _of_lists(values, _being(pc.list_flatten(values), text))
    try:
        return _mask(pc.equal(pc.cast(values, pa.string()), text))
    except pa.ArrowException:  # an object has no one text
        return np.zeros(len(values), dtype=bool)


def _of_lists(lists: pa.Array, hits: _Mask) -> _Mask:
    """Which lists hold one of the items that `hits` tells."""
    mask = np.zeros(len(lists), dtype=bool)
    mask[np.asarray(pc.list_parent_indices(lists))[hits]] = True
    return mask


def _mask(values: pa.Array) -> _Mask:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=bool)


def _is_list(type: pa.DataType) -> bool:
    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))
