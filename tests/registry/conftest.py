"""Runs written as the real processes write them, and a registry's content told without its internal numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workbench.contracts.events import EventWriter
from workbench.core.home import Home
from workbench.core.rundir import RunDir, new_run_id
from workbench.registry import Ingestor, Registry
from workbench.registry.database import sqlite

CREATED = 1_790_000_000.0


@dataclass
class WrittenRun:
    """A run directory and the pens of those who write in it."""

    dir: RunDir
    clock: float = CREATED

    def __post_init__(self) -> None:
        self.attempt = 1

    @property
    def id(self) -> str:
        return self.dir.id

    def _write(self, path: Path, type: str, fields: dict[str, Any]) -> None:
        self.clock += 1
        writer = EventWriter(path, attempt=self.attempt, clock=lambda: self.clock)
        writer.write(type, **fields)
        writer.close()

    def trainer(self, type: str, /, **fields: Any) -> WrittenRun:
        self._write(self.dir.events, type, fields)
        return self

    def supervisor(self, type: str, /, **fields: Any) -> WrittenRun:
        self._write(self.dir.supervisor_log, type, fields)
        return self

    def user(self, type: str, /, **fields: Any) -> WrittenRun:
        self._write(self.dir.user_log, type, fields)
        return self

    def started(self) -> WrittenRun:
        return self.supervisor("started", pid=1, argv=["python"], host=os.uname().nodename)

    def losses(self, values: Iterable[float]) -> WrittenRun:
        """Of steps 0, 1, …, written by one pen: each that is taken up anew reads what is there."""
        writer = EventWriter(self.dir.events, attempt=self.attempt, clock=lambda: self.clock)
        for step, value in enumerate(values):
            self.clock += 1
            writer.write("step", step=step, epoch=step / 100, scalars={"train/loss": value})
        writer.close()
        return self

    def loss(self, step: int, value: float) -> WrittenRun:
        return self.trainer("step", step=step, epoch=step / 100, scalars={"train/loss": value})

    def completed(self) -> WrittenRun:
        self.trainer("finished", state="completed", reason="", exit_code=0)
        return self.supervisor("finished", state="completed", reason="", exit_code=0, signal=None)


_RECIPE = {
    "task": "text-classification",
    "tags": [],
    "notes": "",
    "seed": 42,
    "model": {"name": "google-bert/bert-base-cased"},
    "data": {"source": "stanfordnlp/imdb"},
    "train": {"learning_rate": 5e-5, "optimizer": "adamw", "group_by_length": True},
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def write_run(home: Home) -> Callable[..., WrittenRun]:
    number = 0

    def write(name: str = "", *, facts: bool = True, at: float | None = None, **recipe: Any) -> WrittenRun:
        nonlocal number
        number += 1
        created = CREATED + number * 60 if at is None else at
        run = RunDir(home.runs / new_run_id(created))
        run.path.mkdir()
        if facts:
            resolved = _RECIPE | {"name": name or f"run-{number}"} | recipe
            record = {"id": run.id, "name": resolved["name"], "created": created, "recipe": resolved}
            record |= {"v": 1, "digest": f"{number:016x}"}
            run.facts.write_text(json.dumps(record))
        return WrittenRun(run, created)

    return write


@pytest.fixture
def ingestor(home: Home) -> Iterator[Ingestor]:
    with Ingestor(home) as ingestor:
        yield ingestor


@pytest.fixture
def registry(home: Home) -> Iterator[Registry]:
    with Registry.open(home) as registry:
        yield registry


_BY_RUN_AND_KEY = ("field", "summary", "spark", "point", "pyramid")
_BY_RUN = ("document", "log", "attempt", "tag", "event")
_NUMBERS = ("pk", "run", "key", "change", "rowid")


def _content(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    connection = sqlite.connect(home.registry)
    names = dict(connection.execute("SELECT id, name FROM key"))
    runs = dict(connection.execute("SELECT pk, id FROM run"))
    told: dict[str, list[tuple[Any, ...]]] = {}
    for table in ("run", *_BY_RUN, *_BY_RUN_AND_KEY, "search"):
        cursor = connection.execute(f"SELECT {'rowid, *' if table == 'search' else '*'} FROM {table}")
        columns = [column[0] for column in cursor.description]
        rows = []
        for values in cursor:
            row = dict(zip(columns, values, strict=True))
            run = runs[row.get("run", row.get("pk", row.get("rowid")))]
            own = {name: value for name, value in row.items() if name not in _NUMBERS}
            if table == "event":
                del own["id"]
            rows.append((run, names.get(row.get("key")), *own.values()))
        told[table] = sorted(rows, key=repr)
    connection.close()
    return told


@pytest.fixture
def content() -> Callable[[Home], dict[str, list[tuple[Any, ...]]]]:
    """Everything a registry holds, with ids and names in place of its internal numbers."""
    return _content
