"""Real runs with a trainer that only pretends: it writes events and dies as it is told to."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from runs_support import RECIPE, SUPERVISE, end_everything, fake, steps, until

from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.runs.create import create
from workbench.runs.spawn import launch
from workbench.tasks.experiment import Experiment
from workbench.train.checkpoints import publish


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    yield home
    for path in home.runs.glob("*"):
        end_everything(RunDir(path))


@pytest.fixture
def new_run(home):
    def make(*overrides):
        return create(home, Experiment.read(RECIPE, overrides=list(overrides)))

    return make


@pytest.fixture
def start(new_run):
    """A launched run whose trainer has made its first step."""

    def go(*options, overrides=(), wait=True):
        run = new_run(*overrides)
        launch(run, trainer=fake(run, *options))
        if wait:
            until(lambda: steps(run))
        return run

    return go


@pytest.fixture
def start_impatient(new_run):
    """As `start`, with a stop escalation that waits for fractions of a second."""
    started = []

    def go(*options, least=0.3, hurry=0.2, overrides=()):
        run = new_run(*overrides)
        command = [sys.executable, "-c", SUPERVISE, str(run.path), str(least), str(hurry), *fake(run, *options)]
        started.append(subprocess.Popen(command, start_new_session=True))
        until(lambda: steps(run))
        return run

    yield go
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def sealed():
    """Gives a run a sealed checkpoint."""

    def make(run, step):
        written = run.checkpoints / f".partial-{step}"
        written.mkdir(parents=True)
        (written / "model.safetensors").write_bytes(b"weights")
        return publish(written, run.checkpoints, step)[0]

    return make
