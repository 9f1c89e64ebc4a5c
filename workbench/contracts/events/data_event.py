"""What the trainer says of the rows that it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from workbench.contracts.coding import Details
from workbench.contracts.events.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCounts(Details):
    """A split as it is trained on. What a task counts beside, such as windows or blocks, is in `rest`."""

    rows: int
    dropped: int = 0
    truncated: int | None = None
    tokens: int | None = None
    labels: Mapping[str, int] | None = None
    targets: Mapping[str, Mapping[str, float]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterCounts(Details):
    """The lengths of the texts of a split."""

    median: int
    p95: int
    max: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport(Details):
    """A split before a model sees it, as `workbench check` reports it; None is what was not counted."""

    rows: int
    dropped: int = 0
    labels: Mapping[str, int] | None = None
    characters: CharacterCounts
    empty: int = 0
    odd: Mapping[str, int] = field(default_factory=dict)
    repeated: int | None
    at_odds: int | None
    shared: Mapping[str, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthChoice(Details):
    """What a max length would mean. Shares are from 0 to 1; `time` is a multiple of the chosen length's.

    `rows_cut` are rows longer than that, cut or in several windows; `windows` is how many a row takes on average,
    None where rows are cut; `golds_lost` is None for tasks whose labels stand in no place.
    """

    max_length: int
    rows_cut: float
    windows: float | None
    tokens_lost: float
    golds_lost: float | None
    padding: float
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthLedger(Details):
    """The lengths of a sample of rows in tokens, and what each max length would lose."""

    rows: int
    sampled: int
    chosen: int
    median: int
    p95: int
    max: int
    entries: tuple[LengthChoice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataEvent(Event):
    """The rows were read and made into tokens. `report`, `columns`, `unread` and `ledger` are told once a run."""

    TYPE: ClassVar[str] = "data"
    LOGS: ClassVar[tuple[str, ...]] = ("trainer",)

    splits: Mapping[str, SplitCounts]
    notes: tuple[str, ...] = ()
    report: Mapping[str, SplitReport] | None = None
    columns: Mapping[str, str | None] | None = None
    """The column of each role."""
    unread: tuple[str, ...] | None = None
    """Columns that nothing reads."""
    ledger: Mapping[str, LengthLedger] | None = None
    """By field of the recipe: max_length, max_target_length."""
