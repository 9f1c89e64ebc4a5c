"""On a disk that is really full: a small file system of our own, in a mount namespace that nobody else sees."""

import subprocess
import sys

import pytest

STORY = """\
import json, os, subprocess, sys, time
from pathlib import Path

sys.path.insert(0, sys.argv[2])
from runs_support import RECIPE, end_of, fake, steps, types, until
from workbench.core.home import Home
from workbench.core.errors import BadInput, WorkbenchError
from workbench.runs import control
from workbench.runs.create import create
from workbench.tasks.experiment import Experiment
from workbench.runs.spawn import launch
from workbench.core.supervisor_record import Record

home = Home(Path(sys.argv[1]))
home.ensure()
filler = home.path / "filler"


def fill(*logs):
    # All the room there is, the rest of the logs' own last blocks with it: blank lines are nothing to a reader.
    for path in (filler, *logs):
        with path.open("ab", buffering=0) as file:
            try:
                while file.write(b"\\n" * 4096):
                    pass
            except OSError:
                pass


def test_creation():
    fill()
    try:
        create(home, Experiment.read(RECIPE))
    except BadInput as error:
        assert "no space left" in str(error), error
    else:
        raise AssertionError("there was room")
    assert list(home.runs.iterdir()) == []
    filler.unlink()


def test_acts_and_the_end():
    run = create(home, Experiment.read(RECIPE))
    launch(run, trainer=fake(run, "--die", "9", "--steps", "100"))
    until(lambda: steps(run))
    fill(run.user_log, run.supervisor_log)
    try:
        control.note(run, "a note")
    except WorkbenchError as error:
        assert "No space left" in str(error), error
    else:
        raise AssertionError("there was room")
    until(lambda: not run.training())
    time.sleep(0.5)
    assert run.supervised() and not types(run.supervisor_log, "finished"), "the end cannot be written yet"
    filler.unlink()
    assert end_of(run)["state"] in ("killed", "failed")
    assert run.read_facts()["id"] == run.id
    control.note(run, "another")
    assert [event.text for event in types(run.user_log, "note")] == ["another"]


def workbench(*words):
    command = [sys.executable, "-m", "workbench", *words, "--home", str(home.path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def test_looking_and_stopping():
    run = create(home, Experiment.read(RECIPE))
    launch(run, trainer=fake(run))
    until(lambda: steps(run))
    fill(run.user_log, run.supervisor_log)
    listed = workbench("ls")
    assert run.id in listed.stdout, listed
    assert "running" in listed.stdout, listed
    assert "looking only" in listed.stderr, listed
    assert "step" in workbench("tail", run.id).stdout
    workbench("stop", run.id, "--now")
    until(lambda: not run.training())
    filler.unlink()
    assert end_of(run)["state"] in ("stopped", "failed")
    assert run.id in workbench("ls").stdout


def test_a_read_only_home():
    run = create(home, Experiment.read(RECIPE))
    launch(run, trainer=fake(run, "--steps", "20"))
    end_of(run)
    until(lambda: not run.alive())
    time.sleep(0.5)
    before = sorted(str(path) for path in home.path.rglob("*"))
    subprocess.run(["mount", "-o", "remount,ro", str(home.path.parent)], check=True)
    for words in ("ls", "show last", "points last train/loss", "tail last", "diff last last"):
        done = workbench(*words.split())
        assert done.stdout, words
        assert "looking only" in done.stderr, words
    assert json.loads(workbench("ls", "--json").stdout)[0]["id"] == run.id
    assert sorted(str(path) for path in home.path.rglob("*")) == before


{test}()
"""


@pytest.mark.parametrize(
    "test", ["test_creation", "test_acts_and_the_end", "test_looking_and_stopping", "test_a_read_only_home"]
)
def test_a_full_disk_is_said_and_costs_nothing_that_was_there(tmp_path, test, request):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=256k none "$0" && exec "$@"', str(disk)]
    if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("may not mount a file system here")
    code = STORY.replace("{test}", test)
    story = [*mount, sys.executable, "-c", code, str(disk / "home"), str(request.path.parent)]
    done = subprocess.run(story, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
