"""What all metrics here share: they stay in memory, and they refuse what `evaluate` would quietly change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

import evaluate
import numpy as np


class InMemoryMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """A metric that writes no file and takes whole numbers only where it declares whole numbers."""

    WHOLE: ClassVar[tuple[str, ...]] = ("predictions", "references")
    """The inputs that are class ids."""

    def __init__(self, **options: Any) -> None:
        super().__init__(keep_in_memory=True, **options)

    def _build_data_dir(self) -> str:
        # The base class makes a directory in the user's cache, even for a metric that is kept in memory.
        return ""

    def add_batch(self, *, predictions: Any = None, references: Any = None, **inputs: Any) -> None:
        """Raises ValueError where ids are no whole numbers."""
        given = {"predictions": predictions, "references": references} | inputs
        for name in self.WHOLE:
            _check_whole(name, given[name])
        super().add_batch(predictions=predictions, references=references, **inputs)


def _check_whole(name: str, values: Any) -> None:
    """`evaluate` casts 0.9 to 0 without a word where a feature is declared whole."""
    array = np.asarray(values)
    if array.dtype.kind not in "iub":
        raise ValueError(f"{name} are class ids, whole numbers, not {array.dtype}")


class Measured(TypedDict):
    """What a metric gives: values, the names of those that have none, and more fields of the `eval` event."""

    scalars: dict[str, float]
    undefined: list[str]
    report: dict[str, Any]


def outcome(values: Mapping[str, float | None], report: Mapping[str, Any]) -> Measured:
    """A metric's values, None where there is none on this data, as its result."""
    return {
        "scalars": {name: float(value) for name, value in values.items() if value is not None},
        "undefined": [name for name, value in values.items() if value is None],
        "report": dict(report),
    }
