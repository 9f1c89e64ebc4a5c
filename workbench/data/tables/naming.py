"""The names of labels: what stands in a column, and what it is called.

Strings are names without the spaces around them, whole numbers as written, booleans `true` and `false`; the ids of
`datasets`' ClassLabel, and ids of the names in `data.labels`, are those names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from workbench.core.errors import DataError
from workbench.data.tables import columns

Place = Callable[[int], str]  # from the position of a value to its file and row


@dataclass(frozen=True)
class Naming:
    """`by_id`: what whole numbers stand for; None where they are called as they are written."""

    by_id: Sequence[str] | None = None

    @classmethod
    def of(cls, train: pa.ChunkedArray, own: list[str] | None, given: list[str] | None, place: Place) -> Naming:
        """How the labels of train are named. `own` are the names of a ClassLabel, `given` those of the recipe.

        Numbers are ids of the names given, unless all of them stand among these as they are. Raises DataError.
        """
        plain = cls(own)
        if given is None or pc.all(pc.is_in(plain.names(train, place), value_set=pa.array(given, pa.string()))).as_py():
            return plain
        return cls(given)

    def names(self, column: pa.ChunkedArray, place: Place) -> pa.ChunkedArray:
        """The name of each value. Raises DataError with file and row for a number that names nothing."""
        values = _plain(column, place)
        if pa.types.is_boolean(values.type):
            values = values if self.by_id is None else pc.cast(values, pa.int8())
        if self.by_id is None or not pa.types.is_integer(values.type):
            return pc.utf8_trim_whitespace(pc.cast(values, pa.string()))
        self._check(values, place)
        return pa.chunked_array([pa.array(self.by_id, pa.string()).take(values.combine_chunks())])

    def _check(self, ids: pa.ChunkedArray, place: Place) -> None:
        assert self.by_id is not None, "only ids have bounds"
        outside = pc.or_(pc.less(ids, 0), pc.greater_equal(ids, len(self.by_id)))
        if pc.any(outside).as_py():
            position = pc.index(outside, True).as_py()
            raise DataError(
                f"label {ids[position].as_py()} is outside 0 to {len(self.by_id) - 1}, "
                f"the ids of the {len(self.by_id)} names given",
                where=place(position),
                hint="name every class in data.labels, or number them from 0",
            )


def _plain(column: pa.ChunkedArray, place: Place) -> pa.ChunkedArray:
    if columns.kind(column.type) in ("list", "object"):
        held = pc.index(pc.is_valid(column), True).as_py()
        if held < 0:
            return pa.chunked_array([pa.nulls(len(column), pa.string())])
        raise DataError(
            f"a label is one of {columns.kinds(column.type)}",
            where=place(held),
            hint="a label is a name, a number, or true or false; several are a list of these",
        )
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_decimal(column.type):
        column = pc.cast(column, pa.float64())
    return _whole(column, place) if pa.types.is_floating(column.type) else column


def _whole(column: pa.ChunkedArray, place: Place) -> pa.ChunkedArray:
    """Numbers that are whole, as pandas writes ids once one is missing. Raises DataError at the first that is not."""
    broken = pc.invert(whole(column))
    if pc.any(broken).as_py():
        position = pc.index(broken, True).as_py()
        raise DataError(
            f"label {column[position].as_py()} is not a class",
            where=place(position),
            hint='set data.label to a column of names or whole numbers, or data.problem = "regression"',
        )
    return pc.cast(column, pa.int64())


def whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which of the numbers are whole; NaN and infinities are not."""
    return pc.and_(pc.is_finite(column), pc.equal(column, pc.round(column)))
