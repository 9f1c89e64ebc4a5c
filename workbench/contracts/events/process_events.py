"""What the supervisor says of its trainer, and what users do to a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from workbench.contracts.events.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedEvent(Event):
    """The run waits for its turn."""

    TYPE: ClassVar[str] = "queued"
    LOGS: ClassVar[tuple[str, ...]] = ("supervisor",)

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedEvent(Event):
    """The trainer was started; `resume_step` is None where the attempt begins anew."""

    TYPE: ClassVar[str] = "started"
    LOGS: ClassVar[tuple[str, ...]] = ("supervisor",)

    pid: int | None
    argv: tuple[str, ...] = ()
    host: str | None
    resume_step: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemEvent(Event):
    """The load of the machine, by `system/…`."""

    TYPE: ClassVar[str] = "system"
    LOGS: ClassVar[tuple[str, ...]] = ("supervisor",)

    scalars: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedEvent(Event):
    """The run was made."""

    TYPE: ClassVar[str] = "created"
    LOGS: ClassVar[tuple[str, ...]] = ("user",)

    run: str = ""
    name: str = ""
    task: str = ""
    model: str = ""
    digest: str = ""
    """Of the resolved recipe: equal experiments have the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagEvent(Event):
    """A tag was added."""

    TYPE: ClassVar[str] = "tag"
    LOGS: ClassVar[tuple[str, ...]] = ("user",)

    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UntagEvent(Event):
    """A tag was taken away."""

    TYPE: ClassVar[str] = "untag"
    LOGS: ClassVar[tuple[str, ...]] = ("user",)

    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteEvent(Event):
    """The note was replaced; an empty one clears it."""

    TYPE: ClassVar[str] = "note"
    LOGS: ClassVar[tuple[str, ...]] = ("user",)

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteEvent(Event):
    """The run was taken out of the listings."""

    TYPE: ClassVar[str] = "delete"
    LOGS: ClassVar[tuple[str, ...]] = ("user",)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreEvent(Event):
    """The deletion was undone."""

    TYPE: ClassVar[str] = "restore"
    LOGS: ClassVar[tuple[str, ...]] = ("user",)
