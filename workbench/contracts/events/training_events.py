"""What the trainer says while it trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from workbench.contracts.coding import Details
from workbench.contracts.events.event import EndState, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFacts(Details):
    """Low-rank adapters: `modules` are the names of what they are put into, in so many `layers`."""

    rank: int
    alpha: float
    modules: tuple[str, ...]
    layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEvent(Event):
    """What is about to be trained, and for how long. Weights are counted once each; `frozen` counts named ones."""

    TYPE: ClassVar[str] = "plan"
    LOGS: ClassVar[tuple[str, ...]] = ("trainer",)

    total_steps: int | None
    steps_per_epoch: int | None
    epochs: float | None
    device: str | None
    precision: str | None
    processes: int | None
    method: str | None
    parameters: int | None
    trainable: int | None
    new_weights: tuple[str, ...] = ()
    """Names; `*` where all are new."""
    frozen: int | None
    adapters: AdapterFacts | None
    best: str | None
    """The scalar that chooses the checkpoint."""
    direction: str | None
    max_length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointEvent(Event):
    """A checkpoint was sealed, after so many seconds."""

    TYPE: ClassVar[str] = "checkpoint"
    LOGS: ClassVar[tuple[str, ...]] = ("trainer",)

    step: int | None
    path: str = ""
    """Within the run's directory."""
    bytes: int | None = None
    seconds: float | None = None
    best: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEvent(Event):
    """What the model wrote after a prompt."""

    TYPE: ClassVar[str] = "sample"
    LOGS: ClassVar[tuple[str, ...]] = ("trainer",)

    step: int | None
    prompt: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningEvent(Event):
    """Something a user should know: `text` says it, `code` is the same for all of its kind."""

    TYPE: ClassVar[str] = "warning"
    LOGS: ClassVar[tuple[str, ...]] = ("trainer", "supervisor")

    step: int | None = None
    code: str = ""
    text: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumedEvent(Event):
    """Training goes on from the checkpoint of a step, 0 where it begins anew, in spite of some differences."""

    TYPE: ClassVar[str] = "resumed"
    LOGS: ClassVar[tuple[str, ...]] = ("trainer",)

    step: int
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingEvent(Event):
    """The run is to end: at its step, or because of a signal that the reason names."""

    TYPE: ClassVar[str] = "stopping"
    LOGS: ClassVar[tuple[str, ...]] = ("supervisor", "trainer")

    step: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedEvent(Event):
    """How an attempt ended. The supervisor's is the last word; the trainer's stands where the supervisor was killed."""

    TYPE: ClassVar[str] = "finished"
    LOGS: ClassVar[tuple[str, ...]] = ("trainer", "supervisor")

    state: EndState
    reason: str = ""
    exit_code: int | None
    signal: int | str | None
    traceback: str | None = field(default=None, repr=False)
    peak_memory: int | None = None
    """Bytes of the device."""
