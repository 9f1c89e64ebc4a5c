"""Targets of a regression: columns of numbers, one a target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.data.formats import faults
from workbench.data.tables import columns, problem
from workbench.data.tables.splits import Splits

Numbers = NDArray[np.float64]
_PLAINLY: Final = "write numbers plainly, as 1234.5: no percent or currency sign, nothing between thousands"
_NEARLY: Final = re.compile(r"\s*\D{0,4}\d[\d.,' ]*\D{0,4}$")


def names(splits: Splits) -> list[str]:
    """The targets are called as their columns."""
    return list(splits.columns.named["label"])


def numbers(splits: Splits, split: str) -> Numbers:
    """The targets [rows, targets]. Raises DataError with file and row for what is no number, NaN or infinite."""
    table = splits.tables()[split]
    return np.stack([_column(table.column(name), name, splits, split) for name in names(splits)], axis=1)


def _column(column: pa.ChunkedArray, name: str, splits: Splits, split: str) -> Numbers:
    found = problem.numbers(column)
    if found is None:
        raise _no_numbers(column, name, splits, split)
    values = np.asarray(found, dtype=np.float64)
    broken = np.flatnonzero(~np.isfinite(values))
    if len(broken):
        raise DataError(
            f"{faults.quoted(name)} is {values[broken[0]]}, which nothing can learn",
            where=splits.place(split, int(broken[0])),
            hint="correct the value, or leave it empty and the row is dropped and counted",
        )
    return values


def _no_numbers(column: pa.ChunkedArray, name: str, splits: Splits, split: str) -> DataError:
    hint = "set data.label to columns of numbers, or leave data.problem out"
    if columns.kind(column.type) != "string":
        said = f"{faults.quoted(name)} holds {columns.kinds(column.type)}, and a regression learns numbers"
        return DataError(said, where=str(splits.origins[split]), hint=hint)
    position = next(
        at for at, value in enumerate(column) if problem.numbers(pa.chunked_array([[value.as_py()]])) is None
    )
    value = str(column[position].as_py())
    said = f"{faults.quoted(name)} is {faults.quoted(value)}, and a regression learns numbers"
    return DataError(said, where=splits.place(split, position), hint=_PLAINLY if _NEARLY.match(value) else hint)


def summary(values: Numbers) -> dict[str, float]:
    """What is told of a target in one split."""
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
    }


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each target in train [targets].

    A head begins near zero and moves by about the learning rate a step: prices in the thousands would be out of its
    reach. So it learns how many deviations a target lies from the mean, and answers are turned back.
    """

    mean: Numbers
    std: Numbers

    @classmethod
    def of(cls, train: Numbers, named: list[str], where: str) -> Scale:
        """Raises DataError for a target that is the same in every row."""
        std = train.std(axis=0)
        for name, mean, spread in zip(named, train.mean(axis=0), std, strict=True):
            if not spread > abs(mean) * np.finfo(np.float64).eps * 8:
                raise DataError(
                    f"{faults.quoted(name)} is {mean:g} in every row of train: there is nothing to learn",
                    where=where,
                    hint="take other rows, or set data.label to another column",
                )
        return cls(train.mean(axis=0), std)

    def put(self, values: Numbers) -> NDArray[np.float32]:
        """As the model learns them."""
        scaled: NDArray[np.float32] = ((values - self.mean) / self.std).astype(np.float32)
        return scaled

    def back(self, scaled: Numbers) -> Numbers:
        """As the user wrote them."""
        values: Numbers = scaled * self.std + self.mean
        return values
