"""The events there are, and how a line becomes one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from workbench.contracts.coding import UNREADABLE, decode, number, whole
from workbench.contracts.events.data_event import DataEvent
from workbench.contracts.events.eval_event import EvalEvent
from workbench.contracts.events.event import FAR, Event, StepEvent, UnknownEvent, step_of, step_values
from workbench.contracts.events.process_events import (
    CreatedEvent,
    DeleteEvent,
    NoteEvent,
    QueuedEvent,
    RestoreEvent,
    StartedEvent,
    SystemEvent,
    TagEvent,
    UntagEvent,
)
from workbench.contracts.events.training_events import (
    CheckpointEvent,
    FinishedEvent,
    PlanEvent,
    ResumedEvent,
    SampleEvent,
    StoppingEvent,
    WarningEvent,
)

EVENTS: Final[tuple[type[Event], ...]] = (
    CreatedEvent, QueuedEvent, StartedEvent, DataEvent, PlanEvent, StepEvent, EvalEvent, CheckpointEvent, SystemEvent,
    WarningEvent, SampleEvent, StoppingEvent, ResumedEvent, FinishedEvent, TagEvent, UntagEvent, NoteEvent, DeleteEvent,
    RestoreEvent,
)  # fmt: skip
"""In the order of a run's life."""

_BY_TYPE: Final = {event.TYPE: event for event in EVENTS}


def parse(line: bytes) -> Event | None:
    """The event on one line, or None where the line is torn or is no event."""
    try:
        return event_of(json.loads(line))
    except (ValueError, RecursionError):
        return None


def event_of(record: object) -> Event | None:
    """The event that a line of JSON is, or None where it is none: its head or a field that it needs is not there, or
    is not what it should be."""
    if (values := step_values(record)) is not None:
        return step_of(values)
    try:
        return _event(dict(record))  # type: ignore[call-overload]  # what is no mapping raises here, as it should
    except UNREADABLE:
        return None


def _event(record: dict[str, object]) -> Event:
    record.pop("v", None)
    seq, attempt, type = whole(record.pop("seq")), whole(record.pop("attempt", 1)), str(record.pop("type"))
    t = _time(record.pop("t"))
    if attempt < 0:
        raise ValueError(f"{attempt} is no attempt")
    return _typed(type, record, seq=seq, t=t, attempt=attempt)


def stored(type: str, fields: Mapping[str, object], *, seq: int, t: float, attempt: int) -> Event | None:
    """An event whose head is known, from what it says beside; None where a field that it needs is not what it should
    be."""
    try:
        return _typed(type, fields, seq=seq, t=t, attempt=attempt)
    except UNREADABLE:
        return None


def _typed(type: str, fields: Mapping[str, object], *, seq: int, t: float, attempt: int) -> Event:
    head = {"seq": seq, "t": t, "attempt": attempt}
    known = _BY_TYPE.get(type)
    if known is None:
        return UnknownEvent(name=type, seq=seq, t=t, attempt=attempt, rest=fields)
    try:
        return decode(known, fields, **head)
    except UNREADABLE:
        good, bad = _sorted(fields["scalars"])
        if not bad:
            raise
        # One scalar that is no number does not cost the others.
        event = decode(known, {**fields, "scalars": good}, **head)
        return replace(event, rest={**event.rest, "scalars": bad})


def _sorted(scalars: object) -> tuple[dict[str, float], dict[str, object]]:
    """The scalars that are numbers, and those that are none."""
    good: dict[str, float] = {}
    bad: dict[str, object] = {}
    for name, value in dict(scalars).items():  # type: ignore[call-overload]  # what is no mapping raises here
        try:
            good[name] = number(value)
        except UNREADABLE:
            bad[name] = value
    return good, bad


def _time(value: object) -> float:
    seconds = float(value)  # type: ignore[arg-type]  # what is no number raises here
    if not abs(seconds) <= FAR:
        raise ValueError(f"{value!r} is no time")
    return seconds
