"""What the check of a recipe prints: one JSON object on a line, `{"ok": true, …}` or `{"ok": false, "problems": […]}`.

The check runs in a process of its own, because it needs readers that the command line and the TUI may not import.
`dump` and `refusal` write its answer, and `parse` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.contracts.coding import UNREADABLE, D, Details, Json, decode, encode
from workbench.contracts.events.data_event import LengthLedger, SplitReport
from workbench.core.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel(Details):
    """The model that a recipe names. `where` is local, cache, builtin, download or scratch."""

    path: str
    where: str
    type: str | None
    parameters: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReport(Details):
    """The rows that a recipe trains on: each split, the column of each role, and the columns that nothing reads.

    `warnings` are what is likely to be wrong with them, `notes` what is good to know. `ledger` is by field of the
    recipe: max_length, max_target_length. It is empty where lengths are not known yet.
    """

    splits: Mapping[str, SplitReport]
    columns: Mapping[str, str | None]
    unread: tuple[str, ...]
    notes: tuple[str, ...]
    ledger: Mapping[str, LengthLedger] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCount(Details):
    """Optimizer steps an epoch and in all."""

    per_epoch: int
    total: int
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LongestBatch(Details):
    """The longest batch there is: its rows, and the tokens of the longest of them."""

    rows: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse(Details):
    """Bytes that the checkpoints need, and that are free."""

    needed: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Details):
    """What training takes on this machine, from a few steps of it. Times are those of one process.

    `step_seconds` is a step of the longest batches, `typical_seconds` one of the usual. `peak_memory` is bytes of the
    GPU, of the process where there is none. `evaluation_seconds` is of the longest batch, None without validation rows.
    """

    device: str
    batch: LongestBatch
    step_seconds: float
    typical_seconds: float
    evaluation_seconds: float | None
    save_seconds: float
    save_bytes: int
    peak_memory: int
    steps: int
    eta_seconds: float
    disk: DiskUse


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport(Details):
    """All there is to know of a recipe that would run. `recipe` is the resolved recipe, every default written out."""

    recipe: Mapping[str, object]
    model: FoundModel
    data: DataReport
    steps: StepCount
    measured: Measurement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureReport(Details):
    """What the measurement of a recipe prints."""

    measured: Measurement


def as_record(report: CheckReport | MeasureReport) -> dict[str, Json]:
    """The report as plain JSON types."""
    return {"ok": True} | encode(report)


def dump(report: CheckReport | MeasureReport) -> str:
    """The report as a line of JSON."""
    return json.dumps(as_record(report), ensure_ascii=True)


def refusal(problems: Sequence[str]) -> str:
    """The answer for a recipe that would not run, as a line of JSON."""
    return json.dumps({"ok": False, "problems": list(problems)}, ensure_ascii=True)


def parse(kind: type[D], line: str) -> D:
    """The report on a line. Raises RecipeError with the problems of a refusal, ValueError for anything else."""
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("not an object")
    if not record.pop("ok", False):
        raise RecipeError([str(problem) for problem in record.get("problems", ())])
    try:
        return decode(kind, record)
    except UNREADABLE as error:
        raise ValueError(f"not a report: {error}") from error
