"""A run goes through its whole life with an engine that the supervisor has never heard of."""

import json
import signal
import subprocess
import sys

import fake_cluster
import pytest
from fake_cluster import FakeCluster, asked, write
from runs_support import end_of, kill, types, until

from workbench.contracts.events import EventWriter
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.supervisor_record import Record
from workbench.runs import control
from workbench.runs.engines import available
from workbench.runs.engines.available import engine_for, engine_named
from workbench.runs.engines.engine import Engine, LaunchFacts
from workbench.runs.record import how_it_ended, in_progress


@pytest.fixture
def supervised(new_run, monkeypatch):
    """Starts real supervisors whose only engine is the fake cluster, and knows it here as well."""
    monkeypatch.setattr(available, "ENGINES", fake_cluster.ENGINES)
    started = []

    def go(run=None, *options):
        run = run or new_run()
        before = len(types(run.supervisor_log, "started"))
        command = [sys.executable, fake_cluster.__file__, str(run.path), *options]
        started.append(subprocess.Popen(command, start_new_session=True))
        until(lambda: len(types(run.supervisor_log, "started")) > before)
        return run

    yield go
    for process in started:
        process.kill()
        process.wait()


def said(run, attempt=1, **fields):
    """What a trainer on the cluster writes into its log, on the file system that it shares with us."""
    log = EventWriter(run.events, attempt=attempt)
    log.write("finished", **fields)
    log.close()


def test_an_attempt_is_submitted_and_where_it_went_is_kept(supervised):
    run = supervised()
    assert asked(run) == ["submit 1 data"]
    [started] = types(run.supervisor_log, "started")
    assert (started.host, started.argv, started.pid) == ("node-7", ("sbatch", "train.sh"), None)
    record = Record.read(run)
    assert (record.engine, record.job, record.trainer_pid) == ("fake-cluster", "1", None)


def test_a_run_that_completes_on_the_cluster_is_completed_and_forgotten(supervised):
    run = supervised()
    said(run, state="completed", reason="every step was made")
    write(run, 1, "0")
    end = end_of(run)
    assert (end["state"], end["reason"], end["exit_code"]) == ("completed", "every step was made", 0)
    until(lambda: not in_progress(run))
    assert asked(run) == ["submit 1 data", "forget"]


def test_a_run_that_fails_on_the_cluster_says_so_with_the_end_of_its_console(supervised):
    run = supervised()
    write(run, 1, "1")
    end = end_of(run)
    assert (end["state"], end["reason"], end["exit_code"]) == ("failed", "no room on the node", 1)
    assert asked(run)[-1] == "forget"


def test_a_job_that_the_cluster_has_lost_is_lost_in_its_words(supervised):
    run = supervised()
    write(run, 1, "gone")
    end = end_of(run)
    assert (end["state"], end["reason"]) == ("lost", "the cluster has lost the job")
    assert asked(run)[-1] == "forget"


def test_a_stop_is_a_request_then_sigterm_then_sigkill(supervised):
    run = supervised(None, "--least", "0.3")
    control.request_stop(run)
    until(lambda: len(asked(run)) == 3)
    assert asked(run)[1:] == ["signal 1 SIGTERM", "signal 1 SIGKILL"]
    assert run.stop_request.exists()
    reasons = [event.reason for event in types(run.supervisor_log, "stopping")]
    assert [reason.rpartition(" ")[2] for reason in reasons] == ["step", "SIGTERM", "SIGKILL"]
    write(run, 1, str(-signal.SIGKILL))
    end = end_of(run)
    assert (end["state"], end["signal"]) == ("stopped", signal.SIGKILL)


def test_a_job_is_found_again_after_its_supervisor_was_killed_and_can_be_stopped(supervised, monkeypatch):
    monkeypatch.setattr(control, "HURRY", 0.2)
    run = supervised()
    kill(Record.read(run).pid)
    assert not run.alive()
    assert in_progress(run)
    with pytest.raises(BadInput, match="stop it first"):
        control.soft_delete(run)
    control.request_stop(run, now=True)
    assert asked(run)[1:] == ["signal 1 SIGTERM", "signal 1 SIGKILL"]
    write(run, 1, "gone")
    assert not in_progress(run)


def test_the_next_attempt_forgets_the_last_and_tells_how_it_was_lost(supervised):
    run = supervised()
    kill(Record.read(run).pid)
    write(run, 1, "gone")
    supervised(run, "--resume-step", "3")
    assert asked(run) == ["submit 1 data", "forget", "submit 2 data"]
    [lost] = types(run.supervisor_log, "finished")
    assert (lost.attempt, lost.state, lost.reason) == (1, "lost", "the cluster has lost the job")
    said(run, attempt=2, state="completed", reason="done")
    write(run, 2, "0")
    assert end_of(run, attempt=2)["state"] == "completed"
    assert how_it_ended(run).attempt == 2


def test_a_second_attempt_is_refused_while_the_cluster_works(supervised):
    run = supervised()
    kill(Record.read(run).pid)
    refused = subprocess.run(
        [sys.executable, fake_cluster.__file__, str(run.path), "--resume-step", "1"], capture_output=True, text=True
    )
    assert "has a trainer at work" in refused.stderr
    assert asked(run) == ["submit 1 data"]


def test_a_record_of_before_there_were_engines_is_of_the_local_one(supervised):
    run = supervised()
    older = json.loads(run.supervisor.read_text())
    del older["engine"], older["job"]
    run.supervisor.write_text(json.dumps(older))
    assert (Record.read(run).engine, Record.read(run).job) == ("local", "")


def test_an_engine_of_another_version_is_refused_by_name():
    with pytest.raises(WorkbenchError, match="the engine 'slurm', which is not known here"):
        engine_named("slurm")


def test_every_engine_has_the_four_verbs_and_one_suits_every_launch():
    verbs = {name for name in vars(Engine) if not name.startswith("_")}
    assert verbs == {"submit", "find", "signal", "forget"}
    for entry in available.ENGINES.values():
        assert all(callable(getattr(entry.make(), verb)) for verb in verbs)
    assert [engine_for(LaunchFacts(processes=n))[0] for n in (1, 2, 128)] == ["local", "torchrun", "torchrun"]
    assert all(callable(getattr(FakeCluster, verb)) for verb in verbs)


def test_the_supervisor_knows_no_engine_by_name():
    supervisors = ("supervisor", "watch", "stop_escalation", "spawn", "outcome", "postmortem", "record", "control")
    for name in supervisors:
        source = (available.__file__.rpartition("/engines/")[0]) + f"/{name}.py"
        with open(source, encoding="utf-8") as text:
            words = text.read()
        assert not [word for word in ("torchrun", "LocalEngine", "engines.local", "torch.distributed") if word in words]
