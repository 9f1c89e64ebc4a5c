"""What state a run is in, told by its logs and by who holds its locks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workbench.registry import Ingestor, Registry

_HOLDER = (
    "import sys, pathlib; from workbench.core.rundir import hold_lock; "
    "assert hold_lock(pathlib.Path(sys.argv[1])) is not None; print('held', flush=True); sys.stdin.read()"
)

RECORD = {
    "pid": 1, "start_ticks": 2, "boot_id": "", "host": os.uname().nodename, "attempt": 1, "started": 3.0,
    "trainer_pid": 4, "trainer_start_ticks": 5,
}  # fmt: skip
"""As supervisor.json was written before it named an engine."""


@contextmanager
def holding(lock: Path) -> Iterator[None]:
    """Another process that holds `lock` until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def state(ingestor, registry):
    def ask() -> str:
        ingestor.poll()
        return registry.runs()[0].state

    return ask


def test_a_run_that_was_never_launched_is_created(write_run, state):
    write_run().user("created", run="x")
    assert state() == "created"


def test_a_run_lives_as_long_as_its_supervisor_and_is_lost_when_it_is_killed(write_run, state, registry):
    run = write_run()
    with holding(run.dir.supervisor_lock):
        run.supervisor("queued", reason="gpu")
        assert state() == "queued"
        run.started().loss(1, 1.0)
        assert state() == "running"
        run.supervisor("stopping", reason="asked")
        assert state() == "stopping"
    assert state() == "lost"
    row = registry.runs()[0]
    assert "gone" in row.reason
    assert row.finished == run.clock


def test_a_run_that_died_with_whoever_looked_on_is_lost_to_every_process_after(write_run, home):
    run = write_run().started().loss(1, 1.0)
    with holding(run.dir.supervisor_lock), Ingestor(home) as onlooker, Registry.open(home) as registry:
        onlooker.poll()
        assert registry.find(run.id).state == "running"
    for _ in range(2):
        with Ingestor(home) as later, Registry.open(home) as registry:
            later.poll()
            assert registry.find(run.id).state == "lost"


def test_a_run_whose_supervisor_was_killed_before_it_said_anything_is_lost(write_run, state, registry):
    run = write_run().user("created", run="x")
    with holding(run.dir.supervisor_lock):
        run.dir.supervisor.write_text(json.dumps(RECORD | {"trainer_pid": None}))
        assert state() == "queued"
    assert state() == "lost"
    assert "before it had started the trainer" in registry.runs()[0].reason


def test_a_run_on_another_machine_that_falls_silent_is_lost_to_whoever_has_looked_on_all_along(write_run, state):
    run = write_run().supervisor("started", pid=1, host="elsewhere").loss(1, 1.0)
    assert state() == "running"
    for log in run.dir.logs:
        if log.exists():
            os.utime(log, (1_000_000_000, 1_000_000_000))
    assert state() == "lost"


def test_a_trainer_that_outlives_its_supervisor_is_running(write_run, state):
    run = write_run().started().loss(1, 1.0)
    with holding(run.dir.trainer_lock):
        assert state() == "running"
    assert state() == "lost"


def test_the_supervisor_has_the_last_word(write_run, state, registry):
    run = write_run().started()
    run.trainer("finished", state="failed", reason="ValueError: no", exit_code=1)
    assert state() == "failed"
    assert registry.runs()[0].reason == "ValueError: no"
    run.supervisor("finished", state="killed", reason="the kernel ended it: out of memory", signal="SIGKILL")
    assert state() == "killed"
    assert registry.runs()[0].reason == "the kernel ended it: out of memory"


def test_the_trainers_word_stands_where_the_supervisor_was_killed(write_run, state, registry):
    write_run().started().trainer("finished", state="completed", reason="", exit_code=0)
    assert state() == "completed"
    [attempt] = registry.attempts(registry.runs()[0].id)
    assert (attempt.state, attempt.exit_code) == ("completed", 0)


def test_a_run_on_another_machine_is_not_declared_lost(write_run, state):
    run = write_run().supervisor("started", pid=1, host="elsewhere").loss(1, 1.0)
    assert state() == "running"
    run.dir.supervisor.write_text(json.dumps(RECORD | {"host": "elsewhere"}))
    assert state() == "running"


def test_a_run_on_another_machine_that_has_long_been_silent_is_lost(write_run, state):
    run = write_run().supervisor("started", pid=1, host="elsewhere").loss(1, 1.0)
    for log in run.dir.logs:
        if log.exists():
            os.utime(log, (1_000_000_000, 1_000_000_000))
    assert state() == "lost"


def test_a_restart_of_the_machine_is_named(write_run, state, registry):
    run = write_run().started().loss(1, 1.0)
    run.dir.supervisor.write_text(json.dumps(RECORD | {"boot_id": "another"}))
    assert state() == "lost"
    assert registry.runs()[0].reason == "the machine restarted while it ran"


def test_a_resumed_run_is_what_its_newest_attempt_is(write_run, state, registry):
    run = write_run().started().loss(1, 1.0).supervisor("finished", state="stopped", reason="asked", exit_code=0)
    assert state() == "stopped"
    run.attempt = 2
    with holding(run.dir.supervisor_lock):
        run.supervisor("started", pid=2, resume_step=1)
        assert state() == "running"
        assert registry.runs()[0].finished is None
    run.completed()
    assert state() == "completed"
    first, second = registry.attempts(run.id)
    assert (first.number, first.state, first.reason, first.pid) == (1, "stopped", "asked", 1)
    assert (second.number, second.state, second.resume_step) == (2, "completed", 1)
    assert registry.runs()[0].started == first.started


def test_news_of_a_lost_run_are_told_without_a_line_in_its_logs(write_run, ingestor):
    run = write_run().started()
    with holding(run.dir.supervisor_lock):
        assert ingestor.poll() == {run.id}
        assert ingestor.poll() == frozenset()
    assert ingestor.poll() == {run.id}
    assert ingestor.poll() == frozenset()
