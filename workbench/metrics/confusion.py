"""What a confusion matrix says about each class.

Definitions as in Sokolova and Lapalme 2009, "A systematic analysis of performance measures for classification
tasks", each class against the rest. A ratio whose denominator is zero is undefined: None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class ClassReport:
    """One class against the rest. `support` is how many rows truly belong to it."""

    label: str
    support: int
    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None

    @property
    def ratios(self) -> tuple[float | None, float | None, float | None, float | None]:
        """Precision, recall, specificity, F1."""
        return self.precision, self.recall, self.specificity, self.f1

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> ClassReport:
        """An entry of an eval event's `per_class`. Raises KeyError, TypeError or ValueError where it is none."""
        precision, recall, specificity, f1 = (
            None if record[name] is None else float(record[name])
            for name in ("precision", "recall", "specificity", "f1")
        )
        return cls(str(record["label"]), int(record["support"]), precision, recall, specificity, f1)


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of rows: `counts[i][j]` truly are `labels[i]` and were predicted as `labels[j]`."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def parse(cls, labels: Sequence[Any], counts: Sequence[Sequence[Any]]) -> Confusion:
        """From an eval event. Raises ValueError where the matrix is not square over the labels."""
        size = len(labels)
        if not size or len(counts) != size or any(len(row) != size for row in counts):
            raise ValueError(f"a confusion matrix of {size} labels has {size} rows of {size} counts")
        return cls(tuple(map(str, labels)), tuple(tuple(int(count) for count in row) for row in counts))

    @property
    def size(self) -> int:
        return len(self.labels)

    @property
    def total(self) -> int:
        return sum(map(sum, self.counts))

    @property
    def accuracy(self) -> float | None:
        return ratio(sum(self.counts[i][i] for i in range(self.size)), self.total)

    def share(self, row: int, column: int) -> float:
        """Part of the rows of class `row` that were predicted as `column`; 0 where there are none."""
        return ratio(self.counts[row][column], sum(self.counts[row])) or 0.0

    def report(self) -> list[ClassReport]:
        """Each class against the rest, in the order of the labels."""
        predicted = [sum(row[i] for row in self.counts) for i in range(self.size)]
        return [self._class(i, predicted[i], self.total) for i in range(self.size)]

    def _class(self, i: int, predicted: int, total: int) -> ClassReport:
        hit, support = self.counts[i][i], sum(self.counts[i])
        others = total - support
        return ClassReport(
            label=self.labels[i],
            support=support,
            precision=ratio(hit, predicted),
            recall=ratio(hit, support),
            specificity=ratio(others - (predicted - hit), others),
            f1=ratio(2 * hit, support + predicted),
        )


def macro(classes: Sequence[ClassReport]) -> ClassReport:
    """The unweighted mean of each ratio over the classes where it is defined; `support` is the sum."""
    means = [_mean(column) for column in zip(*(entry.ratios for entry in classes), strict=True)] or [None] * 4
    return ClassReport("macro", sum(entry.support for entry in classes), *means)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return ratio(sum(defined), len(defined))
