"""A run is told, and started, so that it outlives the session where that can be; systemd's commands are stand-ins."""

import os

import pytest
from runs_support import RECIPE, end_of, fake

from workbench.runs import session_life
from workbench.runs.create import create
from workbench.runs.spawn import launch
from workbench.tasks.experiment import Experiment


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """`machine(kill="yes", linger="no")`: a root and an environment in a login session of systemd's."""

    def make(*, kill: str, linger: str, works: bool = True):
        bin_ = tmp_path / "bin"
        bin_.mkdir()
        _script(bin_ / "loginctl", f'case "$1" in show-session) echo {kill};; show-user) echo {linger};; esac')
        starts = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"' if works else "exit 1"
        _script(bin_ / "systemd-run", f'echo "$@" >> {tmp_path}/asked; {starts}')
        monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        monkeypatch.delenv("SLURM_JOB_ID", raising=False)
        (tmp_path / "root/proc/self").mkdir(parents=True)
        (tmp_path / "root/proc/self/cgroup").write_text("0::/user.slice/user-1000.slice/session-3.scope\n")
        return tmp_path / "root"

    return make


def _script(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_a_session_that_keeps_its_processes_is_left_alone(machine):
    assert session_life.here(os.environ, machine(kill="no", linger="no")) == session_life.SessionLife()


def test_a_session_that_ends_them_is_left_by_a_scope(machine):
    life = session_life.here(os.environ, machine(kill="yes", linger="yes"))
    assert life.ends == ""
    assert life.scope[1:3] == ("--user", "--scope")


def test_where_the_users_manager_does_not_answer_the_run_is_started_as_ever_and_that_is_said(machine):
    life = session_life.here(os.environ, machine(kill="yes", linger="yes", works=False))
    assert life.scope == ()
    assert "this login session" in life.ends


def test_without_linger_the_last_session_is_named(machine):
    life = session_life.here(os.environ, machine(kill="yes", linger="no"))
    assert "last login session" in life.ends
    assert "enable-linger" in life.hint
    assert life.scope


def test_a_slurm_job_and_a_container_are_named(tmp_path):
    assert "Slurm job 77" in session_life.here({"SLURM_JOB_ID": "77"}, tmp_path).ends
    (tmp_path / ".dockerenv").touch()
    assert "container" in session_life.here({}, tmp_path).ends


def test_the_supervisor_is_started_in_the_scope_and_answers_its_launcher(home, machine, monkeypatch, tmp_path):
    root = machine(kill="yes", linger="yes")
    life = session_life.here(os.environ, root)
    monkeypatch.setattr(session_life, "here", lambda: life)
    run = create(home, Experiment.read(RECIPE))
    assert launch(run, trainer=fake(run, "--steps", "3")) > 0
    assert end_of(run)["state"] == "completed"
    assert "workbench.runs.supervisor" in (tmp_path / "asked").read_text()
