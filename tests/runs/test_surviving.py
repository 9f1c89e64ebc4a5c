"""A run goes on whatever dies around it, and says how it ended."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from runs_support import FAKE, end_of, fake, kill, steps, types, until

from workbench.contracts.events import read_all
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.supervisor_record import Record
from workbench.runs import control
from workbench.runs.engines.run_processes import tagged
from workbench.runs.record import how_it_ended, in_progress
from workbench.runs.spawn import launch

LAUNCH = """\
import os, signal, sys
from pathlib import Path
from workbench.core.rundir import RunDir
from workbench.runs.spawn import launch
print(launch(RunDir(Path(sys.argv[1])), trainer=sys.argv[2:]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_survives_the_launcher_and_its_whole_process_group(new_run):
    run = new_run()
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(run.path), *fake(run, "--steps", "60")],
        stdout=subprocess.PIPE, process_group=0,
    )  # fmt: skip
    pid = int(launcher.stdout.readline())
    launcher.wait()
    launcher.stdout.close()
    assert launcher.returncode == -signal.SIGKILL
    assert os.getsid(pid) != os.getsid(0)
    with pytest.raises(ProcessLookupError):
        os.killpg(launcher.pid, 0)  # nothing of the run was in the launcher's group
    assert end_of(run)["state"] == "completed"
    assert steps(run) == list(range(1, 61))


def test_neither_process_holds_a_terminal_or_the_launchers_files(start):
    run = start()
    record = Record.read(run)
    for pid in (record.pid, record.trainer_pid):
        outputs = {os.readlink(f"/proc/{pid}/fd/{number}") for number in (1, 2)}
        assert outputs == {str(run.console)}
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        with open(f"/proc/{pid}/stat") as stat:
            assert stat.read().rpartition(")")[2].split()[4] == "0", "a controlling terminal"
        assert _umask(pid) == 0o077
    assert os.getsid(record.pid) != os.getsid(record.trainer_pid)


def _umask(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(next(line.split()[1] for line in status if line.startswith("Umask")), 8)


def test_a_hangup_ends_neither_process(start):
    run = start("--steps", "60")
    record = Record.read(run)
    os.kill(record.pid, signal.SIGHUP)
    os.kill(record.trainer_pid, signal.SIGHUP)
    assert end_of(run)["state"] == "completed"


def test_the_trainer_goes_on_when_its_supervisor_is_killed_and_its_word_counts(start):
    run = start("--steps", "80")
    kill(Record.read(run).pid)
    assert not run.supervised()
    assert run.training()
    until(lambda: not in_progress(run))
    assert steps(run) == list(range(1, 81))
    assert not types(run.supervisor_log, "finished")
    assert how_it_ended(run).state == "completed"


def test_a_killed_trainer_is_called_killed_with_its_signal(start):
    run = start()
    kill(Record.read(run).trainer_pid)
    end = end_of(run)
    assert (end["state"], end["signal"], end["exit_code"]) == ("killed", 9, None)
    assert "SIGKILL" in end["reason"]
    until(lambda: not run.alive())


@pytest.fixture
def dead(start):
    """A run whose two processes were killed at once."""
    run = start()
    record = Record.read(run)
    kill(record.pid)
    kill(record.trainer_pid)
    return run


def rewrite_record(run, **changes):
    run.supervisor.write_text(json.dumps(json.loads(run.supervisor.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "both its supervisor and its trainer"),
        ({"boot_id": "another"}, "the machine was restarted"),
        ({"host": "elsewhere"}, "it ran on elsewhere"),
        ({"trainer_pid": None}, "before it had started the trainer"),
    ],
)
def test_the_next_attempt_says_when_and_how_the_last_was_lost(dead, sealed, changes, reason):
    last = os.stat(dead.events).st_mtime - 2000
    for log in (dead.events, dead.supervisor_log, dead.console):
        os.utime(log, (last, last))
    rewrite_record(dead, started=last - 9, **changes)
    assert how_it_ended(dead) is None
    sealed(dead, step=1)
    launch(dead, resume=True, trainer=fake(dead, "--steps", "1"))
    end_of(dead, attempt=2)
    told = types(dead.supervisor_log, "finished")[0]
    assert (told.attempt, told.state) == (1, "lost")
    assert reason in told.reason
    assert told.t == pytest.approx(last, abs=0.01)


def test_a_run_heard_of_on_another_machine_is_left_alone_here(dead, sealed):
    rewrite_record(dead, host="elsewhere")
    sealed(dead, step=1)
    with pytest.raises(BadInput, match="at work already"):
        launch(dead, resume=True)
    with pytest.raises(BadInput, match="running"):
        control.soft_delete(dead)
    control.request_stop(dead, now=True)  # it may see the request: nothing here is signalled
    assert dead.stop_request.exists()


def test_descendants_that_lead_their_own_session_are_ended_with_the_run(start):
    run = start("--orphan", "--steps", "20")
    assert end_of(run)["state"] == "completed"
    assert tagged(run) == []


def test_descendants_of_a_killed_trainer_are_ended_too(start):
    run = start("--orphan")
    assert len(tagged(run)) == 2
    kill(Record.read(run).trainer_pid)
    assert end_of(run)["state"] == "killed"
    assert tagged(run) == []


def test_what_a_lost_attempt_left_behind_is_ended_before_the_next(start, sealed):
    run = start("--orphan")
    record = Record.read(run)
    left = [process for process in tagged(run) if process.pid != record.trainer_pid]
    kill(record.pid)
    kill(record.trainer_pid)
    assert [process.alive() for process in left] == [True]
    sealed(run, step=3)
    launch(run, resume=True, trainer=fake(run, "--steps", "5"))
    assert end_of(run, attempt=2)["state"] == "completed"
    assert not left[0].alive()
    assert [(e.attempt, e.state) for e in types(run.supervisor_log, "finished")] == [
        (1, "lost"),
        (2, "completed"),
    ]


def test_a_run_started_within_another_run_is_not_part_of_it(start, new_run, monkeypatch):
    outer = start()
    monkeypatch.setenv("WORKBENCH_RUN_ID", outer.id)
    monkeypatch.setenv("WORKBENCH_RUN_DIR", str(outer.path.resolve()))
    inner = new_run()
    launch(inner, trainer=fake(inner, "--steps", "100"))
    until(lambda: steps(inner))
    kill(Record.read(outer).trainer_pid)
    assert end_of(outer)["state"] == "killed"
    assert end_of(inner)["state"] == "completed"


def test_relative_import_paths_mean_what_they_meant_to_the_launcher(new_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["src", "/lib"]))
    run = new_run()
    launch(run, trainer=fake(run))
    with open(f"/proc/{Record.read(run).trainer_pid}/environ", "rb") as environment:
        assert f"PYTHONPATH={tmp_path}/src:/lib".encode() in environment.read().split(b"\0")


def test_launches_at_the_same_moment_start_one_trainer(new_run):
    run = new_run()

    def attempt(_):
        try:
            return launch(run, trainer=fake(run))
        except BadInput as error:
            return str(error)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(attempt, range(4)))
    assert sorted(type(answer).__name__ for answer in answers) == ["int", "str", "str", "str"]
    until(lambda: steps(run))
    assert len(types(run.supervisor_log, "started")) == 1


def test_a_supervisor_killed_at_any_moment_of_its_start_leaves_a_run_that_can_be_told(new_run, sealed):
    seed = int(os.environ.get("WORKBENCH_SEED", time.time_ns() % 2**32))
    print(f"WORKBENCH_SEED={seed}")
    moments = random.Random(seed)
    for _ in range(12):
        run = new_run()
        command = [sys.executable, "-m", "workbench.runs.supervisor", str(run.path), "--"]
        supervisor = subprocess.Popen([*command, *fake(run, "--steps", "2")], start_new_session=True)
        time.sleep(moments.uniform(0, 0.15))
        supervisor.kill()
        supervisor.wait()
        until(lambda run=run: not in_progress(run) and not tagged(run))
        if Record.read(run) is None:
            launch(run, trainer=fake(run, "--steps", "2"))
            assert end_of(run)["state"] == "completed"
            continue
        sealed(run, step=1)
        launch(run, resume=True, trainer=fake(run, "--steps", "2"))
        assert end_of(run, attempt=2)["state"] == "completed"
        ends = {event.attempt for log in (run.events, run.supervisor_log) for event in types(log, "finished")}
        assert ends == {1, 2}


def test_a_second_supervisor_refuses_and_its_reason_reaches_the_launcher(start, monkeypatch):
    run = start()
    monkeypatch.setattr("workbench.runs.spawn.in_progress", lambda run: False)
    with pytest.raises(BadInput, match="supervisor already"):
        launch(run, trainer=fake(run))


def test_a_run_is_not_started_twice_by_launch(start):
    run = start("--steps", "1")
    end_of(run)
    until(lambda: not run.alive())
    with pytest.raises(BadInput, match="resume"):
        launch(run, trainer=fake(run))


def test_a_trainer_that_cannot_be_executed_fails_the_launch_and_the_run(new_run):
    run = new_run()
    with pytest.raises(WorkbenchError, match="cannot be started"):
        launch(run, trainer=["/no/such/program"])
    assert end_of(run)["state"] == "failed"
    assert not in_progress(run)


def test_a_supervisor_that_dies_at_once_is_an_error_with_the_place(new_run, monkeypatch):
    run = new_run()
    run.facts.write_text("{")
    with pytest.raises(WorkbenchError, match=r"run\.json cannot be read"):
        launch(run, trainer=fake(run))
    run = new_run()
    run.supervisor_log.mkdir()
    with pytest.raises(WorkbenchError, match="Is a directory"):
        launch(run, trainer=fake(run))
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(WorkbenchError, match=r"console\.log"):
        launch(run)


def test_the_logs_are_numbered_without_gaps_over_attempts(start, sealed):
    run = start()
    kill(Record.read(run).trainer_pid)
    end_of(run)
    until(lambda: not run.alive())
    sealed(run, step=2)
    launch(run, resume=True, trainer=fake(run, "--steps", "3"))
    assert end_of(run, attempt=2)["state"] == "completed"
    for log in (run.events, run.supervisor_log):
        events = list(read_all(log))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.resume_step for event in types(run.supervisor_log, "started")] == [None, 2]


def test_the_system_is_sampled(start):
    run = start()
    samples = until(lambda: [event for event in types(run.supervisor_log, "system") if len(event.scalars) > 1])
    assert samples[0].scalars["system/memory"] > 1_000_000
    assert 0 <= samples[0].scalars["system/cpu"] < 100 * (os.cpu_count() or 1) + 50


def test_silence_is_warned_of_once(start):
    run = start("--silent-after", "3", overrides=["launch.stall_minutes=0.01"])
    warning = until(lambda: types(run.supervisor_log, "warning"))[0]
    assert warning.code == "stall"
    assert FAKE.exists()
    control.request_stop(run)
    end_of(run)
    assert len(types(run.supervisor_log, "warning")) == 1
