"""A home with runs in it, made through the program's own doors, and the command line run as a person runs it."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from workbench.contracts.events import EventWriter
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.runs.create import create
from workbench.tasks.experiment import Experiment

RECIPE = """\
name = "{name}"
task = "text-classification"
[model]
name = "builtin:minilm"
[data]
source = "builtin:reviews"
validation = "validation"
[train]
learning_rate = {rate}
"""


@dataclass
class Shell:
    """`workbench` in a directory and a home of its own."""

    directory: Path
    home: Path

    def __call__(self, *words: str, code: int = 0, stdin: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"WORKBENCH_HOME": str(self.home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "workbench", *words],
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            cwd=self.directory,
            env=environment | extra,
            timeout=240,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    directory = tmp_path / "cwd"
    directory.mkdir()
    return Shell(directory, tmp_path / "home")


@pytest.fixture
def finished_run(shell: Shell) -> Callable[..., RunDir]:
    """Make a run that has ended, with three steps and two evaluations in its logs."""

    def make(name: str = "first", *, rate: str = "5e-5", accuracy: float = 0.75, state: str = "completed") -> RunDir:
        run = create(Home(shell.home).ensure(), Experiment.read(RECIPE.format(name=name, rate=rate), tags=["made"]))
        log = EventWriter(run.events)
        log.write("plan", total_steps=3, steps_per_epoch=3, best="accuracy", direction="max")
        for step in (1, 2, 3):
            log.write("step", step=step, epoch=step / 3, scalars={"train/loss": 1 / step})
        log.write(
            "eval",
            step=2,
            epoch=1,
            split="validation",
            scalars={"eval/accuracy": accuracy, "eval/loss": 0.5},
            intervals={"accuracy": [accuracy - 0.05, accuracy + 0.04]},
            predictions="predictions/validation.parquet",
        )
        log.write(
            "eval", step=3, epoch=1, split="validation", scalars={"eval/accuracy": accuracy - 0.1, "eval/loss": 0.6}
        )
        log.write("warning", code="truncated", text="3 rows are cut at 128 tokens", count=3)
        log.close()
        supervisor = EventWriter(run.supervisor_log)
        supervisor.write("started", pid=1, argv=["x"], host="h", resume_step=None)
        supervisor.write(
            "finished", state=state, reason="" if state == "completed" else "CUDA out of memory", exit_code=0
        )
        supervisor.close()
        return run

    return make
