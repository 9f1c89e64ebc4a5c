"""What all metrics here share: they stay in memory, and they refuse what `evaluate` would quietly change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

import evaluate
import numpy as np
from numpy.typing import ArrayLike

from workbench.metrics.intervals import NOT_FINITE, UNKNOWN, Found, Values, of_rows, ratio


class InMemoryMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """A metric that writes no file and takes whole numbers only where it declares whole numbers."""

    WHOLE: ClassVar[tuple[str, ...]] = ("predictions", "references")
    """The inputs that are class ids."""

    def __init__(self, **options: object) -> None:
        super().__init__(keep_in_memory=True, **options)

    def _build_data_dir(self) -> str:
        # The base class makes a directory in the user's cache, even for a metric that is kept in memory.
        return ""

    def add_batch(
        self, *, predictions: ArrayLike | None = None, references: ArrayLike | None = None, **inputs: ArrayLike
    ) -> None:
        """Raises ValueError where ids are no whole numbers."""
        given = {"predictions": predictions, "references": references} | inputs
        for name in self.WHOLE:
            _check_whole(name, given[name])
        super().add_batch(predictions=predictions, references=references, **inputs)


def _check_whole(name: str, values: ArrayLike | None) -> None:
    """`evaluate` casts 0.9 to 0 without a word where a feature is declared whole."""
    array = np.asarray(values)
    if array.dtype.kind not in "iub":
        raise ValueError(f"{name} are class ids, whole numbers, not {array.dtype}")


class Measured(TypedDict):
    """What a metric gives: the values there are, the names of those that are not defined on the rows, and the report.

    A name can be both: then the value is the convention's, and `defined_only` of the report has the other one's.
    """

    scalars: dict[str, float]
    undefined: list[str]
    report: dict[str, Any]


def outcome(
    values: Mapping[str, float | None],
    report: Mapping[str, object],
    found: Mapping[str, Found],
    defined_only: Mapping[str, float | None] | None = None,
) -> Measured:
    """`found` is the interval of each value, or why it has none; `defined_only` the values whose classes without a
    ratio count as 0, as they are without those classes, None where no class is left."""
    conventional = defined_only or {}
    scalars = {name: float(value) for name, value in values.items() if value is not None}
    undefined = [name for name, value in values.items() if value is None or name in conventional]
    kept = {name: value for name, value in conventional.items() if value is not None}
    return {
        "scalars": scalars,
        "undefined": undefined,
        "report": {**report, **({"defined_only": kept} if kept else {}), **_intervals(scalars, found)},
    }


def _intervals(scalars: Mapping[str, float], found: Mapping[str, Found]) -> dict[str, dict[str, Any]]:
    told = {name: found.get(name, UNKNOWN) if math.isfinite(value) else NOT_FINITE for name, value in scalars.items()}
    return {
        "intervals": {name: list(one) for name, one in told.items() if not isinstance(one, str)},
        "without_interval": {name: one for name, one in told.items() if isinstance(one, str)},
    }


def with_loss(measured: Measured, loss: float, rows: ArrayLike) -> Measured:
    """The same with the loss before it. `rows` is [rows, 2]: the loss summed in a row, and what divides it."""
    report = measured["report"]
    own = _intervals({"loss": loss}, of_rows(np.asarray(rows, dtype=np.float64), {"loss": mean}))
    merged = {name: own[name] | report.get(name, {}) for name in own}
    return {**measured, "scalars": {"loss": loss} | measured["scalars"], "report": report | merged}


def mean(sums: Values) -> Values:
    """Of sums of values, and of how many they are."""
    return ratio(sums[:, 0], sums[:, 1])
