"""What each line of each log does to the registry: the trainer's, the supervisor's, the user's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from workbench.contracts.events import END_STATES
from workbench.metrics import catalog
from workbench.registry import points
from workbench.registry.applier import Applier, optional_text, sign, storable
from workbench.registry.keys import Keys
from workbench.registry.log_lines import LARGEST, Record, finite, whole

if TYPE_CHECKING:
    from workbench.registry.database import Connection

_STEPPED: Final = ("eval", "sample", "checkpoint")
"""Stored events that a resumed run makes anew: past the step it resumed from, the older ones are superseded."""

SYSTEM: Final = "system/"
"""Series of the machine, not of training: they have no step, so they carry their event's seq in its place."""


_FAR: Final = 1e15
"""A time further off than any clock's, in seconds."""


_TOKENS: Final = "train/tokens"
"""The series that a step's `tokens` make."""


def _end_state(record: Record) -> str:
    if record["state"] not in END_STATES:
        raise ValueError(f"{record['state']!r} is no end of a run")
    return str(record["state"])


def _optional_whole(value: Any) -> int | None:
    return None if value is None else whole(value)


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

    def at_once(self, record: Any) -> bool:
        # Of a million lines nearly all are steps of the attempt that is under way: what is checked here, in one look,
        # is what `is_event`, `one` and `gather` would find. Nothing is changed before all is checked.
        attempt, tokens = record.get("attempt"), record.get("tokens", 0)
        if attempt != self._points_attempt or attempt != self.newest or attempt not in self._seen:
            return False
        if record.get("type") != "step" or type(record["seq"]) is not int or type(tokens) is not int:
            return False
        step, t, epoch, scalars = record["step"], record["t"], record.get("epoch"), record["scalars"]
        if not (type(step) is int and type(t) is float and type(epoch) is float):
            return False
        if not (-LARGEST < step < LARGEST and tokens < LARGEST and -_FAR < t < _FAR and -_FAR < epoch < _FAR):
            return False
        for value in scalars.values():
            if type(value) is not float:
                return False
        gathered = self._points
        for key, value in scalars.items():
            series = gathered[key]
            series.steps.append(step)
            series.values.append(value)
            series.times.append(t)
        if "tokens" in record and _TOKENS not in scalars:
            self.put(_TOKENS, step, float(tokens), t)
        self._step, self._epoch = step, epoch
        self.latest = t if t > self.latest else self.latest
        return True

    def one(self, record: Record) -> None:
        attempt = record["attempt"]
        if attempt not in self._seen:
            self._see(attempt, record["t"])
        match record["type"]:
            case "step":
                self._on_step(record)
            case "eval":
                self._on_eval(record)
            case "resumed":
                self._on_resumed(record)
            case "plan":
                self._on_plan(record)
            case "stopping":
                self.keep(record)
                self.note_stopping(record)
            case "finished":
                self._on_finished(record)
            case _:
                self.keep(record, _optional_whole(record.get("step")))

    def _see(self, attempt: int, t: float) -> None:
        self._seen.add(attempt)
        self.connection.execute(
            "INSERT INTO attempt (run, number, seen) VALUES (?1, ?2, ?3) "
            "ON CONFLICT DO UPDATE SET seen=coalesce(seen, ?3)",
            (self.run, attempt, t),
        )

    def _on_step(self, record: Record) -> None:
        step, t, attempt = whole(record["step"]), record["t"], record["attempt"]
        scalars: dict[str, Any] = dict(record["scalars"])
        if record.get("tokens") is not None:
            scalars.setdefault(_TOKENS, record["tokens"])
        epoch = self._epoch if record.get("epoch") is None else finite(record["epoch"])
        if attempt > self.newest:
            # No `resumed` came before: this attempt began anew, and all that older ones logged from here on is void.
            self._supersede(step - 1, attempt)
        if attempt == self.newest:
            self._step, self._epoch = step, epoch
        self.gather(step, t, attempt, scalars)

    def _on_eval(self, record: Record) -> None:
        step = whole(record["step"])
        self.keep(record, step)
        self.gather(step, record["t"], record["attempt"], record.get("scalars", {}))

    def _on_resumed(self, record: Record) -> None:
        step = whole(record["step"])
        self.keep(record, step)
        if record["attempt"] > self.newest:
            self._supersede(step, record["attempt"])
            self._step = step

    def _on_plan(self, record: Record) -> None:
        self.keep(record)
        self._total = _optional_whole(record.get("total_steps"))
        best = record.get("best")
        if best is not None:
            name = storable(str(best))
            self._best = name if "/" in name else f"eval/{name}"
            self._best_direction = sign(record.get("direction")) or sign(catalog.direction(self._best))
            self.flush()
            self.connection.execute(
                "UPDATE summary SET direction=? WHERE key=? AND run=?",
                (self._best_direction, self.keys.id(self._best), self.run),
            )

    def _on_finished(self, record: Record) -> None:
        self.keep(record)
        self.set_attempt(
            record["attempt"],
            trainer_state=_end_state(record),
            trainer_reason=optional_text(record.get("reason")),
            trainer_finished=record["t"],
            trainer_exit_code=_optional_whole(record.get("exit_code")),
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

    def direction(self, key: str) -> int:
        return self._best_direction if key == self._best and self._best_direction else super().direction(key)

    def save(self) -> None:
        self.connection.execute(
            "UPDATE run SET step=?, total_steps=?, epoch=?, best_key=?, best_direction=? WHERE pk=?",
            (self._step, self._total, self._epoch, self._best, self._best_direction, self.run),
        )


class SupervisorLog(Applier):
    """`supervisor.jsonl`: launches, the machine's load, and the last word on how an attempt ended."""

    log = 1

    def one(self, record: Record) -> None:
        if record["type"] == "system":
            scalars = {
                name if name.startswith(SYSTEM) else SYSTEM + name: value for name, value in record["scalars"].items()
            }
            self.gather(whole(record["seq"]), record["t"], record["attempt"], scalars)
            return
        self.keep(record)
        number, t = record["attempt"], record["t"]
        match record["type"]:
            case "queued":
                self.set_attempt(number, queued=t)
            case "started":
                self._on_started(record)
            case "stopping":
                self.note_stopping(record)
            case "finished":
                self._on_finished(record)

    def _on_started(self, record: Record) -> None:
        self.set_attempt(
            record["attempt"],
            started=record["t"],
            host=optional_text(record.get("host")),
            pid=_optional_whole(record.get("pid")),
            resume_step=_optional_whole(record.get("resume_step")),
        )

    def _on_finished(self, record: Record) -> None:
        self.set_attempt(
            record["attempt"],
            state=_end_state(record),
            reason=optional_text(record.get("reason")),
            finished=record["t"],
            exit_code=_optional_whole(record.get("exit_code")),
            signal=optional_text(record.get("signal")),
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

    def one(self, record: Record) -> None:
        self.keep(record)
        match record["type"]:
            case "tag":
                self._tags[storable(str(record["tag"]))] = None
            case "untag":
                self._tags.pop(storable(str(record["tag"])), None)
            case "note":
                self._notes = storable(str(record["text"]))
            case "delete":
                self._deleted = 1
            case "restore":
                self._deleted = 0
            case "created":
                self._on_created(record)

    def _on_created(self, record: Record) -> None:
        """What is known of a run whose `run.json` cannot be read."""
        self.connection.execute(
            "UPDATE run SET name=?, task=?, model=?, digest=?, created=? WHERE pk=? AND NOT facts",
            (
                *(storable(str(record.get(name, ""))) for name in ("name", "task", "model", "digest")),
                record["t"],
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
