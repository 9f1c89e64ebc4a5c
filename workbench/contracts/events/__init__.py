"""The event log: one JSON object a line, append only, one writer a file.

Every line is `{"v":1,"seq":n,"t":unix_seconds,"attempt":k,"type":…, …}`. Each type has its class, which says what it
carries: `EVENTS` lists them, in `log_reading` and `log_writing` lines become events and events lines, and nowhere else.

Scalars may be NaN or infinite. JSON has no such numbers, so they are written as the strings "NaN", "Infinity"
and "-Infinity", which any parser reads and none mistakes for a value.
"""

from workbench.contracts.coding import Json, as_json, decode, number, plain, text
from workbench.contracts.events.data_event import DataEvent
from workbench.contracts.events.eval_event import CalibrationBin, ClassScores, EvalEvent, ThresholdCurve
from workbench.contracts.events.event import (
    END_STATES,
    LIVE_STATES,
    UNDATED,
    WORKING_STATES,
    EndState,
    Event,
    State,
    StepEvent,
    StepValues,
    UnknownEvent,
    step_of,
    step_values,
)
from workbench.contracts.events.log_reading import LogLines, read, read_all, read_last, times
from workbench.contracts.events.log_writing import EventWriter
from workbench.contracts.events.parsing import EVENTS, event_of, parse, stored
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
    AdapterFacts,
    CheckpointEvent,
    FinishedEvent,
    PlanEvent,
    ResumedEvent,
    SampleEvent,
    StoppingEvent,
    WarningEvent,
)

__all__ = [
    "END_STATES", "EVENTS", "LIVE_STATES", "UNDATED", "WORKING_STATES", "AdapterFacts", "CalibrationBin",
    "CheckpointEvent", "ClassScores", "CreatedEvent", "DataEvent", "DeleteEvent", "EndState", "EvalEvent", "Event",
    "EventWriter", "FinishedEvent", "Json", "LogLines", "NoteEvent", "PlanEvent", "QueuedEvent", "RestoreEvent",
    "ResumedEvent", "SampleEvent", "StartedEvent", "State", "StepEvent", "StepValues", "StoppingEvent",
    "SystemEvent", "TagEvent", "ThresholdCurve", "UnknownEvent", "UntagEvent", "WarningEvent", "as_json", "decode",
    "event_of", "number", "parse", "plain", "read", "read_all", "read_last", "step_of", "step_values", "stored",
    "text", "times",
]  # fmt: skip
