"""What each line of each log does to the registry: the trainer's, the supervisor's, the user's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from workbench.contracts.events import (
    CheckpointEvent,
    CreatedEvent,
    DeleteEvent,
    EvalEvent,
    Event,
    FinishedEvent,
    NoteEvent,
    PlanEvent,
    QueuedEvent,
    RestoreEvent,
    ResumedEvent,
    SampleEvent,
    StartedEvent,
    StepEvent,
    StepValues,
    StoppingEvent,
    SystemEvent,
    TagEvent,
    UntagEvent,
    WarningEvent,
)
from workbench.metrics import catalog
from workbench.registry import points
from workbench.registry.applier import Applier, optional_text, sign, storable
from workbench.registry.keys import Keys

if TYPE_CHECKING:
    from workbench.registry.database import Connection

_STEPPED: Final = (EvalEvent.TYPE, SampleEvent.TYPE, CheckpointEvent.TYPE)
"""Stored events that a resumed run makes anew: past the step it resumed from, the older ones are superseded."""

SYSTEM: Final = "system/"
"""Series of the machine, not of training: they have no step, so they carry their event's seq in its place."""


EVALUATION: Final = "eval/"
"""Series of the evaluations that choose a checkpoint: a run's figures are those of the one it keeps."""

_TOKENS: Final = "train/tokens"
"""The series that a step's `tokens` make."""


class TrainerLog(Applier):
    """`events.jsonl`: points, evaluations, the plan; the trainer's own word on how it ended."""

    log = 0

    def __init__(self, connection: Connection, run: int, keys: Keys, newest: int) -> None:
        super().__init__(connection, run, keys, newest)
        self._seen: set[int] = set()
        row = connection.execute(
            "SELECT step, total_steps, epoch, best_key, best_direction FROM run WHERE pk=?", (run,)
        ).fetchone()
        self._step, self._total, self._epoch, self._best, self._best_direction = row
        self._chooses = False  # anew which checkpoint it is that the run keeps

    def step(self, values: StepValues) -> None:
        _, _, _, t, attempt, step, epoch, tokens, scalars = values
        # Of a million lines nearly all are of the attempt that is under way.
        if attempt != self._points_attempt or attempt != self.newest or attempt not in self._seen:
            super().step(values)
            return
        scalars.setdefault(_TOKENS, float(tokens))
        gathered = self._points
        for key, value in scalars.items():
            series = gathered[key]
            series.steps.append(step)
            series.values.append(value)
            series.times.append(t)
        self._step, self._epoch = step, epoch
        self.latest = t if t > self.latest else self.latest

    def one(self, event: Event) -> None:
        if event.attempt not in self._seen:
            self._see(event.attempt, event.t)
        match event:
            case StepEvent():
                self._on_step(event)
            case EvalEvent():
                self.keep(event, event.step)
                self.gather(event.step, event.t, event.attempt, event.scalars)
            case ResumedEvent():
                self._on_resumed(event)
            case PlanEvent():
                self._on_plan(event)
            case StoppingEvent():
                self.keep(event)
                self.note_stopping(event)
            case FinishedEvent():
                self._on_finished(event)
            case CheckpointEvent() | SampleEvent() | WarningEvent():
                self.keep(event, event.step)
            case _:
                self.keep(event)

    def _see(self, attempt: int, t: float) -> None:
        self._seen.add(attempt)
        self.connection.execute(
            "INSERT INTO attempt (run, number, seen) VALUES (?1, ?2, ?3) "
            "ON CONFLICT DO UPDATE SET seen=coalesce(seen, ?3)",
            (self.run, attempt, t),
        )

    def _on_step(self, event: StepEvent) -> None:
        scalars = dict(event.scalars)
        if event.tokens is not None:
            scalars.setdefault(_TOKENS, float(event.tokens))
        if event.attempt > self.newest:
            # No `resumed` came before: this attempt began anew, and all that older ones logged from here on is void.
            self._supersede(event.step - 1, event.attempt)
        if event.attempt == self.newest:
            self._step = event.step
            self._epoch = self._epoch if event.epoch is None else event.epoch
        self.gather(event.step, event.t, event.attempt, scalars)

    def _on_resumed(self, event: ResumedEvent) -> None:
        self.keep(event, event.step)
        if event.attempt > self.newest:
            self._supersede(event.step, event.attempt)
            self._step = event.step

    def _on_plan(self, event: PlanEvent) -> None:
        self.keep(event)
        self._total = event.total_steps
        if event.best is not None:
            name = storable(event.best)
            self._best = name if "/" in name else f"eval/{name}"
            self._chooses = True
            self._best_direction = sign(event.direction) or sign(catalog.direction(self._best))
            self.flush()
            self.connection.execute(
                "UPDATE summary SET direction=? WHERE key=? AND run=?",
                (self._best_direction, self.keys.id(self._best), self.run),
            )

    def _on_finished(self, event: FinishedEvent) -> None:
        self.keep(event)
        self.set_attempt(
            event.attempt,
            trainer_state=event.state,
            trainer_reason=storable(event.reason),
            trainer_finished=event.t,
            trainer_exit_code=event.exit_code,
        )

    def _supersede(self, after: int, attempt: int) -> None:
        """Take back what older attempts logged past step `after`."""
        self.flush()
        self.newest = attempt
        rows = self.connection.execute(
            "SELECT s.key, k.name FROM summary s JOIN key k ON k.id=s.key WHERE s.run=?", (self.run,)
        ).fetchall()
        for key, name in rows:
            series = (self.run, key)
            if name.startswith(SYSTEM):
                continue
            if points.drop(self.connection, series, after=after, before_attempt=attempt):
                points.rebuild(self.connection, series, self.direction(name))
        self.connection.execute(
            "UPDATE event SET superseded=1 WHERE run=? AND log=? AND step>? AND attempt<? "
            f"AND type IN ({','.join('?' * len(_STEPPED))})",
            (self.run, self.log, after, attempt, *_STEPPED),
        )
        self._chooses = True

    def direction(self, key: str) -> int:
        return self._best_direction if key == self._best and self._best_direction else super().direction(key)

    def flush(self) -> None:
        self._chooses |= any(name.startswith(EVALUATION) for name in self._points)
        super().flush()

    def save(self) -> None:
        self.connection.execute(
            "UPDATE run SET step=?, total_steps=?, epoch=?, best_key=?, best_direction=? WHERE pk=?",
            (self._step, self._total, self._epoch, self._best, self._best_direction, self.run),
        )
        if self._chooses:
            points.choose(self.connection, self.run, self._chosen())

    def _chosen(self) -> int | None:
        """The step of the checkpoint that the run keeps, None where nothing chooses one.

        Logs of before do not say which evaluation was the best: it is the first with the best value.
        """
        said = self.connection.execute(
            "SELECT step FROM event WHERE run=? AND type=? AND NOT superseded AND json_extract(body, '$.best') "
            "ORDER BY log DESC, seq DESC LIMIT 1",
            (self.run, EvalEvent.TYPE),
        ).fetchone()
        if said or self._best is None:
            return said[0] if said else None
        return points.best_step(self.connection, (self.run, self.keys.id(self._best)))


class SupervisorLog(Applier):
    """`supervisor.jsonl`: launches, the machine's load, and the last word on how an attempt ended."""

    log = 1

    def one(self, event: Event) -> None:
        if isinstance(event, SystemEvent):
            named = {name if name.startswith(SYSTEM) else SYSTEM + name: value for name, value in event.scalars.items()}
            self.gather(event.seq, event.t, event.attempt, named)
            return
        self.keep(event)
        match event:
            case QueuedEvent():
                self.set_attempt(event.attempt, queued=event.t)
            case StartedEvent():
                self._on_started(event)
            case StoppingEvent():
                self.note_stopping(event)
            case FinishedEvent():
                self._on_finished(event)

    def _on_started(self, event: StartedEvent) -> None:
        self.set_attempt(
            event.attempt,
            started=event.t,
            host=optional_text(event.host),
            pid=event.pid,
            resume_step=event.resume_step,
        )

    def _on_finished(self, event: FinishedEvent) -> None:
        self.set_attempt(
            event.attempt,
            state=event.state,
            reason=storable(event.reason),
            finished=event.t,
            exit_code=event.exit_code,
            signal=optional_text(event.signal),
        )


class UserLog(Applier):
    """`user.jsonl`: tags, notes, deletion. A note replaces the notes; an empty one clears them."""

    log = 2

    def __init__(self, connection: Connection, run: int, keys: Keys, newest: int) -> None:
        super().__init__(connection, run, keys, newest)
        tags, self._deleted, self._notes = connection.execute(
            "SELECT tags, deleted, notes FROM run JOIN document ON run=pk WHERE pk=?", (run,)
        ).fetchone()
        self._tags: dict[str, None] = dict.fromkeys(json.loads(tags))

    def one(self, event: Event) -> None:
        self.keep(event)
        match event:
            case TagEvent():
                self._tags[storable(event.tag)] = None
            case UntagEvent():
                self._tags.pop(storable(event.tag), None)
            case NoteEvent():
                self._notes = storable(event.text)
            case DeleteEvent():
                self._deleted = 1
            case RestoreEvent():
                self._deleted = 0
            case CreatedEvent():
                self._on_created(event)

    def _on_created(self, event: CreatedEvent) -> None:
        """What is known of a run whose `run.json` cannot be read."""
        self.connection.execute(
            "UPDATE run SET name=?, task=?, model=?, digest=?, created=? WHERE pk=? AND NOT facts",
            (
                *map(storable, (event.name, event.task, event.model, event.digest)),
                event.t,
                self.run,
            ),
        )

    def save(self) -> None:
        self.connection.execute("UPDATE run SET deleted=? WHERE pk=?", (self._deleted, self.run))
        describe(self.connection, self.run, tuple(self._tags), self._notes)


def describe(connection: Connection, run: int, tags: tuple[str, ...], notes: str) -> None:
    """Set a run's tags and notes, and make them findable together with its name."""
    connection.execute("UPDATE run SET tags=? WHERE pk=?", (json.dumps(tags, ensure_ascii=False), run))
    connection.execute("UPDATE document SET notes=? WHERE run=?", (notes, run))
    connection.execute("DELETE FROM tag WHERE run=?", (run,))
    connection.executemany("INSERT OR IGNORE INTO tag (tag, run) VALUES (?, ?)", [(tag, run) for tag in tags])
    name = connection.execute("SELECT name FROM run WHERE pk=?", (run,)).fetchone()[0]
    connection.execute("DELETE FROM search WHERE rowid=?", (run,))
    connection.execute(
        "INSERT INTO search (rowid, name, notes, tags) VALUES (?,?,?,?)", (run, name, notes, " ".join(tags))
    )


LOGS: Final = (TrainerLog, SupervisorLog, UserLog)
"""In the order of `RunDir.logs`; a log's number is its place here."""
