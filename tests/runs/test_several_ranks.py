"""Several ranks under torch's launcher, leading none of their sessions: found, stopped and told apart like one."""

import signal

import pytest
from runs_support import FAKE, end_of, kill, types, until

from workbench.core.processes import Identity
from workbench.core.supervisor_record import Record
from workbench.runs import control
from workbench.runs.engines import torchrun
from workbench.runs.engines.run_processes import tagged
from workbench.runs.spawn import launch


@pytest.fixture
def start_two(new_run):
    """A launched run of two ranks, both at work, and the pid of the second."""

    def go(*options):
        run = new_run("launch.processes=2", "launch.threads=1")
        launch(run, trainer=torchrun.argv(2, [str(FAKE), str(run.path), *options]))
        second = run.path / "rank-1.pid"
        until(lambda: types(run.events, "step") and second.exists() and second.read_text(), seconds=120)
        return run, int(second.read_text())

    return go


def test_both_ranks_stop_at_the_request_and_each_has_its_rank(start_two):
    run, second = start_two()
    with open(f"/proc/{second}/environ", "rb") as environment:
        assert {b"RANK=1", b"WORLD_SIZE=2", b"OMP_NUM_THREADS=1"} <= set(environment.read().split(b"\0"))
    control.request_stop(run)
    assert end_of(run)["state"] == "stopped"
    assert tagged(run) == []


def test_sigterm_reaches_the_ranks_and_not_their_launcher(start_two):
    run, _ = start_two("--deaf", "--save", "1")
    control.request_stop(run, now=True)
    end = end_of(run)
    assert (end["state"], end["exit_code"]) == ("stopped", 0)
    assert len(types(run.events, "checkpoint")) == 1


def test_a_rank_that_is_killed_speaks_for_the_run(start_two):
    run, second = start_two("--needs-peers")
    kill(second)
    end = end_of(run)
    assert (end["state"], end["signal"]) == ("killed", signal.SIGKILL)
    assert tagged(run) == []


def test_ranks_that_outlive_their_launcher_are_ended(start_two):
    run, second = start_two("--deaf-to-sigterm")
    rank = Identity.of(second)
    kill(Record.read(run).trainer_pid)
    assert end_of(run)["state"] == "killed"
    assert not rank.alive()
    until(lambda: not run.alive())


def test_a_launcher_that_is_killed_is_not_told_as_the_users_stop(start_two):
    run, _ = start_two()
    kill(Record.read(run).trainer_pid)
    end = end_of(run)
    assert (end["state"], end["signal"]) == ("killed", signal.SIGKILL)
    assert types(run.events, "finished")[-1].state == "stopped", "a rank took the end of what was left for a stop"
