"""What all events have in common: their place in a log, their type, and how a line becomes one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NotRequired, TypedDict, TypeGuard

from workbench.contracts.events.coding import LARGEST, Details, Json, encode

VERSION: Final = 1

State = Literal[
    "created", "queued", "running", "stopping", "completed", "stopped", "failed", "killed", "lost", "diverged"
]
EndState = Literal["completed", "stopped", "failed", "killed", "lost", "diverged"]
END_STATES: Final[tuple[State, ...]] = ("completed", "stopped", "failed", "killed", "lost", "diverged")
LIVE_STATES: Final[tuple[State, ...]] = ("created", "queued", "running", "stopping")

UNDATED: Final = -math.inf

FAR: Final = 1e15
"""Seconds: further off than any clock is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Details):
    """One line of a log. Of an event that is not yet written, `seq` and `attempt` are the writer's to give, and `t`
    too where it is `UNDATED`.

    `t` is wall-clock seconds since 1970; order within a log is by `seq`.
    """

    TYPE: ClassVar[str] = ""
    LOGS: ClassVar[tuple[str, ...]] = ()
    """Who writes it: trainer, supervisor or user."""

    seq: int = 0
    t: float = UNDATED
    attempt: int = 1

    @property
    def type(self) -> str:
        return self.TYPE

    def fields(self) -> dict[str, Json]:
        """What the line says beside its head."""
        return encode(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(Event):
    """An event of a type that this version does not know. All it says is in `rest`."""

    name: str = ""

    @property
    def type(self) -> str:
        return self.name

    def fields(self) -> dict[str, Json]:
        return encode(Details(rest=self.rest))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent(Event):
    """The numbers of one step of training."""

    TYPE: ClassVar[str] = "step"
    LOGS: ClassVar[tuple[str, ...]] = ("trainer",)

    step: int
    epoch: float | None
    tokens: int | None
    """Real tokens, padding not counted, since training began."""
    scalars: Mapping[str, float]

    def fields(self) -> dict[str, Json]:
        if self.rest:
            return encode(self)
        # As `encode` has it, in a tenth of the time: training waits for this at every step.
        return {"step": self.step, "epoch": self.epoch, "tokens": self.tokens, "scalars": dict(self.scalars)}


class StepRecord(TypedDict):
    """The line of a step as JSON makes it, whose every value has the very type that `StepEvent` asks for.

    Of a million lines nearly all are such, and making an object of each would take longer than all else.
    """

    seq: int
    t: float
    attempt: int
    type: Literal["step"]
    step: int
    epoch: float
    tokens: NotRequired[int]
    scalars: dict[str, float]


def is_step(record: Any) -> TypeGuard[StepRecord]:
    """Whether a line is a step in its commonest shape: only then may it be used as it is. Never raises."""
    try:
        if record["type"] != "step" or len(record) - ("v" in record) - ("tokens" in record) != 7:
            return False
        seq, step, attempt, tokens = record["seq"], record["step"], record["attempt"], record.get("tokens", 0)
        if not (type(seq) is int and type(step) is int and type(attempt) is int and type(tokens) is int):
            return False
        t, epoch = record["t"], record["epoch"]
        if not (type(t) is float and type(epoch) is float and -FAR < t < FAR and -FAR < epoch < FAR):
            return False
        if not (-LARGEST < step < LARGEST and -LARGEST < seq < LARGEST and -LARGEST < tokens < LARGEST):
            return False
        for value in record["scalars"].values():
            if type(value) is not float:
                return False
        return 0 <= attempt < LARGEST
    except (KeyError, TypeError, AttributeError):
        return False


def step_of(record: StepRecord) -> StepEvent:
    """The event of such a line: equal to what `event_of` makes of it."""
    return StepEvent(
        seq=record["seq"], t=record["t"], attempt=record["attempt"], step=record["step"], epoch=record["epoch"],
        tokens=record.get("tokens"), scalars=record["scalars"],
    )  # fmt: skip
