"""`predictions.*`: what runs predicted for the rows of a split, and two runs over the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from workbench.contracts.coding import Tabled
from workbench.contracts.lab.request import LabRequest


@dataclass(frozen=True, slots=True)
class PredictedRow(Tabled):
    """A row of a split, and what the model made of it; `probability` is that of the prediction, `loss` may be NaN."""

    row: int
    label: str
    prediction: str
    probability: float | None
    loss: float
    text: str


@dataclass(frozen=True, slots=True)
class PredictionsPageReply:
    """Some of `total` rows."""

    total: int
    rows: tuple[PredictedRow, ...]


@dataclass(frozen=True, slots=True)
class PredictionsPage(LabRequest[PredictionsPageReply]):
    """Rows of a cell of the confusion matrix, None being any label and any prediction.

    `run` is an id or a run's directory; `sort` is by loss, worst first (one that is no number is the worst), or last
    (`-loss`), or by row.
    """

    METHOD: ClassVar[str] = "predictions.page"

    run: str
    split: str
    label: str | None = None
    prediction: str | None = None
    sort: Literal["loss", "-loss", "row"] = "loss"
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """Rows that one model has right and another not: `fixed` by the second, `broke` by it.

    `p` is the probability of so uneven a split, or a more uneven one, if both were equally good.
    """

    fixed: int
    broke: int
    p: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The mean of the second minus the first, its interval, and the two-sided probability that it is none."""

    mean: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Over `rows` of a split. `change` is of rows right or wrong, None where rows are better or worse by degrees."""

    split: str
    rows: int
    change: ChangedRows | None
    difference: PairedDifference


@dataclass(frozen=True, slots=True)
class PredictionsCompare(LabRequest[RunComparison]):
    """What the run `after` does better or worse than `before` on the same rows."""

    METHOD: ClassVar[str] = "predictions.compare"

    before: str
    after: str
    split: str
