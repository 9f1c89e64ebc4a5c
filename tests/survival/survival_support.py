"""Starting, striking and comparing real runs."""

import os
import signal
import time
from dataclasses import dataclass

from runs_support import types, until

from workbench.contracts.events import read_all
from workbench.core.supervisor_record import Record
from workbench.registry import Ingestor, Registry
from workbench.runs.create import create
from workbench.runs.record import how_it_ended, in_progress
from workbench.runs.spawn import launch
from workbench.tasks.experiment import Experiment

LONG = 240.0
STEPS = 48


def start(home, material, *overrides):
    run = create(home, Experiment.read(material / "survival.toml", overrides=list(overrides)))
    launch(run)
    return run


def wait_for_end(run):
    """The last word on the newest attempt, once nothing of the run lives."""
    until(lambda: not in_progress(run), seconds=LONG)
    return how_it_ended(run).fields()


def wait_for_step(run, step, attempt=1):
    """Until the log of an attempt has reached a step; fails at once where the attempt has ended."""

    def there():
        ended = [event for event in types(run.supervisor_log, "finished") if event.attempt == attempt]
        assert not ended, (ended, run.console.read_text()[-3000:])
        return any(e.attempt == attempt and e.step >= step for e in types(run.events, "step"))

    until(there, seconds=LONG)


def strike(run):
    """kill -9 of the trainer, and its supervisor's word on it."""
    trainer = Record.read(run).trainer
    assert trainer.send(signal.SIGKILL), "it had ended before it could be struck"
    return wait_for_end(run)


def strike_during_save(run, files):
    """kill -9 of the trainer while a checkpoint with at least so many files is not sealed yet."""
    trainer = Record.read(run).trainer
    deadline = time.monotonic() + LONG
    while True:
        assert time.monotonic() < deadline
        assert trainer.alive(), "it ended before it could be struck"
        if _being_saved(run, files):
            # It is stopped first, to be sure that the save is still under way when the blow falls.
            trainer.send(signal.SIGSTOP)
            if _being_saved(run, files):
                trainer.send(signal.SIGKILL)
                return wait_for_end(run)
            trainer.send(signal.SIGCONT)
        time.sleep(0.0005)


def _being_saved(run, files):
    try:
        found = [entry for entry in os.scandir(run.checkpoints) if entry.name.startswith(".partial-")]
        return any(len(os.listdir(entry.path)) >= files for entry in found)
    except OSError:
        return False


@dataclass
class Outcome:
    """What a run comes to: its weights, its predictions, every point of every series by key."""

    weights: bytes
    last: bytes
    predictions: list
    points: dict


def outcome(home, run):
    import pyarrow.parquet as parquet

    with Ingestor(home) as ingestor:
        ingestor.poll(wait=True)
    with Registry.open(home) as registry:
        points = {
            key: [(step, value) for step, value, _ in registry.points(run.id, key)]
            for key in registry.keys(run.id)
            if key.startswith(("train/", "eval/")) and "second" not in key
        }
    return Outcome(
        weights=(run.model / "model.safetensors").read_bytes(),
        last=(run.checkpoints / f"step-{STEPS}" / "model.safetensors").read_bytes(),
        predictions=parquet.read_table(run.predictions / "validation.parquet").to_pylist(),
        points=points,
    )


def told_by_the_logs(run):
    """Every point by key, as the log itself tells it: what a resumed attempt went back behind does not count."""
    points = {}
    for event in read_all(run.events):
        if event.type == "resumed":
            for series in points.values():
                for step in [step for step in series if step > event.step]:
                    del series[step]
        elif event.type in ("step", "eval"):
            scalars = dict(event.scalars) | ({"train/tokens": event.tokens} if event.type == "step" else {})
            for key, value in scalars.items():
                points.setdefault(key, {})[event.step] = value
    return {key: sorted(series.items()) for key, series in points.items() if "second" not in key}


def whole_registry(home, run):
    """All that the registry says of a run, as plain values."""
    with Registry.open(home) as registry:
        row = registry.find(run.id)
        keys = registry.keys(run.id)
        return {
            "row": repr(row),
            "recipe": row.recipe,
            "attempts": [repr(attempt) for attempt in registry.attempts(run.id)],
            "points": {key: registry.points(run.id, key) for key in keys},
            "views": {key: repr(registry.view(run.id, key, columns=7)) for key in keys},
            "summaries": repr(registry.summaries([run.id])),
            "events": repr(registry.events(run.id, ["eval", "checkpoint", "warning", "data", "plan", "finished"])),
        }
