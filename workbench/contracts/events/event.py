"""What all events have in common: their place in a log, their type, and how a line becomes one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar, Final, Literal, TypeAlias

from workbench.contracts.coding import LARGEST, Details, Json, encode

VERSION: Final = 1

State = Literal[
    "created", "queued", "running", "stopping", "completed", "stopped", "failed", "killed", "lost", "diverged"
]
EndState = Literal["completed", "stopped", "failed", "killed", "lost", "diverged"]
END_STATES: Final[tuple[State, ...]] = ("completed", "stopped", "failed", "killed", "lost", "diverged")
WORKING_STATES: Final[tuple[State, ...]] = ("queued", "running", "stopping")
LIVE_STATES: Final[tuple[State, ...]] = ("created", *WORKING_STATES)

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


StepValues: TypeAlias = tuple[int, str, int, float, int, int, float, int, dict[str, float]]
"""What the line of a step says: v, type, seq, t, attempt, step, epoch, tokens, scalars.

Of a million lines nearly all are steps, and making an object of each would take longer than all else.
"""

_VALUES: Final = itemgetter("v", "type", "seq", "t", "attempt", "step", "epoch", "tokens", "scalars")


def step_values(record: Any) -> StepValues | None:
    """The values of a line that is a step in its commonest shape, each of the very type that `StepEvent` asks for;
    None for any other line. Never raises."""
    try:
        _, kind, seq, t, attempt, step, epoch, tokens, scalars = values = _VALUES(record)
        if kind != "step" or len(record) != len(values):
            return None
        if not (type(seq) is type(attempt) is type(step) is type(tokens) is int and type(t) is type(epoch) is float):
            return None
        if not (-LARGEST < step < LARGEST and -LARGEST < tokens < LARGEST and 0 <= attempt < LARGEST):
            return None
        if not (-LARGEST < seq < LARGEST and -FAR < t < FAR and -FAR < epoch < FAR):
            return None
        for value in scalars.values():
            if type(value) is not float:
                return None
    except (KeyError, TypeError, AttributeError):
        return None
    found: StepValues = values
    return found


def step_of(values: StepValues) -> StepEvent:
    """The event of such a line: equal to what `event_of` makes of it."""
    _, _, seq, t, attempt, step, epoch, tokens, scalars = values
    return StepEvent(seq=seq, t=t, attempt=attempt, step=step, epoch=epoch, tokens=tokens, scalars=scalars)
