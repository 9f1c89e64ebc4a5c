"""What a label is: one class of several, any number of labels, or numbers. As the recipe says, or the column's type.

Lists are labels, and so are several columns of 0 and 1; numbers with a fraction are targets; all else is one class.
"""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc

from workbench.core.errors import DataError
from workbench.data.formats import faults
from workbench.data.tables import columns
from workbench.data.tables.naming import whole
from workbench.data.tables.splits import Splits
from workbench.recipe.schema import Problem


@runtime_checkable
class Labelled(Protocol):
    """What a recipe's `[data]` says of labels."""

    @property
    def label(self) -> str | list[str] | None: ...

    @property
    def labels(self) -> list[str] | None: ...

    @property
    def problem(self) -> Literal["single-label", "multi-label", "regression"] | None: ...


def of(splits: Splits, data: Labelled) -> Problem:
    """Raises DataError where the columns are not what `data.problem` says, or could be several things."""
    named = splits.columns.named["label"]
    found = [splits.train.column(name) for name in named]
    if data.problem == "single-label" and len(named) > 1:
        raise DataError(
            f"one label is one column, and {len(named)} are named",
            where="data.label",
            hint='name one, or set data.problem = "multi-label"',
        )
    if data.problem is not None:
        return data.problem
    return _of_one(found[0]) if len(found) == 1 else _of_several(found, splits)


def _of_one(column: pa.ChunkedArray) -> Problem:
    if columns.kind(column.type) == "list":
        return "multi-label"
    return "regression" if _fractions(column) else "single-label"


def _of_several(found: list[pa.ChunkedArray], splits: Splits) -> Problem:
    if all(is_flag(column) for column in found):
        return "multi-label"
    if all(numbers(column) is not None for column in found) and any(_fractions(column) for column in found):
        return "regression"
    name, column = next(
        (name, column) for name, column in zip(splits.columns.named["label"], found, strict=True) if not is_flag(column)
    )
    holds = columns.kinds(column.type) if numbers(column) is None else "numbers beyond 0 and 1"
    raise DataError(
        f"several columns are labels of 0 and 1, or numbers to predict, and {faults.quoted(name)} holds {holds}",
        where="data.label",
        hint='name one column, or set data.problem = "regression" for numbers',
    )


def numbers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The column as float64, None where it does not hold numbers alone. Files without types write them as strings."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        return pc.cast(column, pa.float64())
    if columns.kind(column.type) != "string":
        return None
    try:
        return pc.cast(pc.utf8_trim_whitespace(column), pa.float64())
    except pa.ArrowInvalid:
        return None


def is_flag(column: pa.ChunkedArray) -> bool:
    """Whether every value is 0 or 1, or true or false."""
    if pa.types.is_boolean(column.type):
        return True
    found = numbers(column)
    return found is not None and bool(pc.all(flags(found)).as_py())


def flags(found: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which of the numbers are 0 or 1."""
    return pc.or_(pc.equal(found, 0), pc.equal(found, 1))


def _fractions(column: pa.ChunkedArray) -> bool:
    """Whether a number has a fraction. NaN and infinities have none: a column of ids may hold one by mistake."""
    found = None if pa.types.is_integer(column.type) else numbers(column)
    return found is not None and bool(pc.any(pc.and_(pc.is_finite(found), pc.invert(whole(found)))).as_py())
