"""What all metrics here share: they stay in memory, and they refuse what `evaluate` would quietly change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

import evaluate
import numpy as np
from numpy.typing import ArrayLike


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
    """What a metric gives: the values that are there, the names of those that are not, and the report."""

    scalars: dict[str, float]
    undefined: list[str]
    report: dict[str, Any]


def outcome(values: Mapping[str, float | None], report: Mapping[str, object]) -> Measured:
    return {
        "scalars": {name: float(value) for name, value in values.items() if value is not None},
        "undefined": [name for name, value in values.items() if value is None],
        "report": dict(report),
    }
