"""What a confusion matrix says about each class.

Definitions as in Sokolova and Lapalme 2009, "A systematic analysis of performance measures for classification
tasks", each class against the rest. A ratio whose denominator is zero is undefined: None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.contracts.events.eval_event import ClassScores


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of rows: `counts[i][j]` truly are `labels[i]` and were predicted as `labels[j]`."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def parse(cls, labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Confusion:
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

    def report(self) -> list[ClassScores]:
        """Each class against the rest, in the order of the labels."""
        predicted = [sum(row[i] for row in self.counts) for i in range(self.size)]
        return [self._class(i, predicted[i], self.total) for i in range(self.size)]

    def _class(self, i: int, predicted: int, total: int) -> ClassScores:
        hit, support = self.counts[i][i], sum(self.counts[i])
        others = total - support
        return ClassScores(
            label=self.labels[i],
            support=support,
            precision=ratio(hit, predicted),
            recall=ratio(hit, support),
            specificity=ratio(others - (predicted - hit), others),
            f1=ratio(2 * hit, support + predicted),
        )


def macro(classes: Sequence[ClassScores]) -> ClassScores:
    """The unweighted mean of each ratio over the classes that are true or predicted anywhere; `support` is the sum.

    What divides by nothing counts as 0, as in scikit-learn, but for specificity: its mean is over what is defined.
    """
    there = [entry for entry in classes if entry.f1 is not None]
    known = [entry.specificity for entry in classes if entry.specificity is not None]
    return ClassScores(
        label="macro",
        support=sum(entry.support for entry in classes),
        precision=_mean([entry.precision or 0.0 for entry in there]),
        recall=_mean([entry.recall or 0.0 for entry in there]),
        specificity=_mean(known),
        f1=_mean([entry.f1 or 0.0 for entry in there]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return ratio(sum(values), len(values))
