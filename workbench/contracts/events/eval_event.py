"""What an evaluation found: its scores, and the evidence behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from workbench.contracts.coding import Details, Finite
from workbench.contracts.events.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores(Details):
    """One class against the rest. `support` is how many rows truly belong to it; None is undefined."""

    label: str
    support: int
    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None
    missed: int | None = None
    """Entities that no window holds whole."""

    @property
    def ratios(self) -> tuple[float | None, float | None, float | None, float | None]:
        """Precision, recall, specificity, F1."""
        return self.precision, self.recall, self.specificity, self.f1


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetScores(Details):
    """One target of a regression; None is undefined."""

    target: str
    mse: float | None
    mae: float | None
    r2: float | None
    pearson: float | None
    spearman: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin(Details):
    """Predictions about equally sure: how many, their mean probability, and the share of them that is right."""

    low: Finite
    high: Finite
    rows: int
    confidence: Finite
    accuracy: Finite


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdCurve(Details):
    """One class against the rest. A point is x, y and the threshold from which both hold, None for no row."""

    label: str
    points: tuple[tuple[Finite, Finite, Finite | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalEvent(Event):
    """An evaluation of one split. Names in the mappings but `scalars` carry no split; a task may report more fields."""

    TYPE: ClassVar[str] = "eval"
    LOGS: ClassVar[tuple[str, ...]] = ("trainer",)

    step: int
    epoch: float | None
    split: str = "validation"
    scalars: Mapping[str, float] = field(default_factory=dict)
    undefined: tuple[str, ...] = ()
    """Scalars that are not defined on these rows. One that is there all the same counts as 0 what divides by nothing,
    such as the precision of a class that is never predicted."""
    defined_only: Mapping[str, float] | None = None
    """What those would be without the classes or rows that divide by nothing, where any is left."""
    best: bool | None = None
    """Whether no weights before were better by the metric that chooses; None where nothing does, or of other splits."""
    rows_digest: str | None = None
    """Equal where the rows are: 16 hex digits of what they are read and evaluated by."""
    predictions: str | None
    """The file of its rows, within the run's directory; None where they were not kept."""
    baselines: Mapping[str, Mapping[str, float]] | None = None
    """Figures that are reached on these rows without a model, such as by the commonest class, by its name."""
    labels: tuple[str, ...] | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None
    """Counts of rows by true and predicted label."""
    per_class: tuple[ClassScores, ...] | None = None
    per_target: tuple[TargetScores, ...] | None = None
    intervals: Mapping[str, tuple[float, float]] | None = None
    """At 95 per cent."""
    without_interval: Mapping[str, str] | None = None
    """Why the others have none."""
    calibration: tuple[CalibrationBin, ...] | None = None
    roc: tuple[ThresholdCurve, ...] | None = None
    pr: tuple[ThresholdCurve, ...] | None = None
    confusions: tuple[tuple[tuple[int, ...], ...], ...] | None = None
    """Of several labels, each for itself."""
    thresholds: tuple[float, ...] | None = None
    """From which each of several labels is predicted."""
    seen: int | None = None
    gold: int | None = None
    has_answer: int | None = None
    no_answer: int | None = None
    characters: bool | None = None
    bleu_signature: str | None = None
    chrf_signature: str | None = None
    tokenize: str | None = None
    tokenize_note: str | None = None
    rouge_tokens: str | None = None
    length_in: str | None = None
    empty_predictions: int | None = None
    empty_references: int | None = None
    unended: int | None = None
