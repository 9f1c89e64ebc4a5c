"""Areas under curves, of each class against the rest: ROC-AUC and average precision, and the bounds of their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.metrics import exact_intervals
from workbench.metrics.exact_intervals import Bounds

T = TypeVar("T")
Marks = NDArray[np.bool_]
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class ClassArea:
    """One class against the rest, None where it is undefined: ROC where there are rows of one side only, PR-AUC where
    no row is of the class. `yes` is how many of the `rows` are."""

    roc: float | None
    pr: float | None
    yes: int
    rows: int

    @classmethod
    def of(cls, truth: Marks, score: Shares) -> ClassArea:
        """`truth` and `score` are [rows]."""
        from sklearn.metrics import average_precision_score, roc_auc_score

        yes = int(truth.sum())
        roc = float(roc_auc_score(truth, score)) if 0 < yes < len(truth) else None
        return cls(roc, float(average_precision_score(truth, score)) if yes else None, yes, len(truth))

    @property
    def roc_bounds(self) -> Bounds | None:
        return None if self.roc is None else exact_intervals.roc_area(self.roc, self.yes, self.rows - self.yes)

    @property
    def pr_bounds(self) -> Bounds | None:
        return None if self.pr is None else exact_intervals.average_precision(self.pr, self.yes)


def values(areas: Sequence[ClassArea], *, every: bool) -> dict[str, float | None]:
    """The means over the classes that have an area; with `every` None unless all have."""
    found = {"roc_auc": [area.roc for area in areas], "pr_auc": [area.pr for area in areas]}
    known = {name: _known(each, every) for name, each in found.items()}
    return {name: sum(each) / len(each) if each else None for name, each in known.items()}


def bounds(areas: Sequence[ClassArea], *, every: bool) -> dict[str, Bounds]:
    """The intervals of these means, where there are any."""
    found = {"roc_auc": [area.roc_bounds for area in areas], "pr_auc": [area.pr_bounds for area in areas]}
    known = {name: _known(each, every) for name, each in found.items()}
    return {name: exact_intervals.mean_of(each) for name, each in known.items() if each}


def _known(found: Sequence[T | None], every: bool) -> list[T]:
    known = [one for one in found if one is not None]
    return [] if every and len(known) < len(found) else known
