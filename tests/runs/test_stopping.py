"""A stop is asked for, then insisted on; a run whose supervisor is gone can be stopped too."""

import json
import os
import signal

import pytest
from runs_support import end_of, kill, steps, types, until

from workbench.core.errors import BadInput
from workbench.core.processes import Identity
from workbench.core.rundir import RunDir
from workbench.core.supervisor_record import Record
from workbench.runs import control, stop_request
from workbench.runs.engines.run_processes import tagged
from workbench.runs.record import how_it_ended
from workbench.runs.stop_escalation import Patience, StopEscalation, slowest


def stages(run):
    return [event.reason for event in types(run.supervisor_log, "stopping")]


def test_a_stop_is_answered_at_the_end_of_a_step(start):
    run = start()
    control.request_stop(run)
    end = end_of(run)
    assert (end["state"], end["exit_code"]) == ("stopped", 0)
    assert f"step {steps(run)[-1]}" in end["reason"]


def test_a_trainer_that_ignores_the_request_is_sent_sigterm_and_may_still_save(start_impatient):
    run = start_impatient("--deaf")
    control.request_stop(run)
    end = end_of(run)
    assert (end["state"], end["exit_code"], end["signal"]) == ("stopped", 0, None)
    assert stages(run) == ["asked to end after its step", "not ended yet: sending SIGTERM"]
    assert len(types(run.events, "checkpoint")) == 1


def test_a_trainer_that_ignores_both_is_killed_and_the_loss_is_said(start_impatient):
    run = start_impatient("--deaf", "--deaf-to-sigterm")
    control.request_stop(run)
    end = end_of(run)
    assert (end["state"], end["signal"]) == ("stopped", signal.SIGKILL)
    assert "lost" in end["reason"]
    assert [stage.rpartition(" ")[2] for stage in stages(run)] == ["step", "SIGTERM", "SIGKILL"]


def test_a_slow_save_is_not_cut_off(start_impatient):
    run = start_impatient("--save", "1.5", least=1.0)
    control.request_stop(run)
    assert end_of(run)["exit_code"] == 0


def test_now_hurries_a_stop_that_waits(start_impatient):
    run = start_impatient("--deaf", "--deaf-to-sigterm", least=600)
    control.request_stop(run)
    until(lambda: stages(run))
    control.request_stop(run, now=True)
    end = end_of(run)
    assert (end["state"], end["signal"]) == ("stopped", signal.SIGKILL)


def test_now_is_not_taken_back_by_a_later_patient_stop(start_impatient):
    run = start_impatient("--deaf", "--deaf-to-sigterm", hurry=600)
    control.request_stop(run, now=True)
    control.request_stop(run)
    assert json.loads(run.stop_request.read_text())["now"] is True


@pytest.mark.parametrize("torn", ["", '{"t": 1.5, "now"', '{"t": 1.5}', "[]", "7", '{"t": 1.5, "now": false}'])
def test_a_torn_request_is_one_that_can_wait(tmp_path, torn):
    run = RunDir(tmp_path)
    assert not stop_request.wants_now(run)
    run.stop_request.write_text(torn)
    assert not stop_request.wants_now(run)
    stop_request.write(run, now=True)
    assert stop_request.wants_now(run)


def test_sigterm_to_the_supervisor_stops_the_trainer_gracefully(start):
    run = start()
    os.kill(Record.read(run).pid, signal.SIGTERM)
    end = end_of(run)
    assert (end["state"], end["exit_code"]) == ("stopped", 0)


def test_a_run_without_a_supervisor_still_sees_the_request(start):
    run = start()
    kill(Record.read(run).pid)
    control.request_stop(run)
    until(lambda: not run.alive())
    assert how_it_ended(run).state == "stopped"


def test_now_ends_a_deaf_trainer_without_a_supervisor_and_what_it_started(start, monkeypatch):
    monkeypatch.setattr(control, "HURRY", 0.2)
    run = start("--deaf", "--deaf-to-sigterm", "--orphan")
    kill(Record.read(run).pid)
    control.request_stop(run, now=True)
    until(lambda: not run.alive() and not tagged(run))


def test_a_pid_that_is_anothers_by_now_is_never_signalled(start, start_impatient):
    bystander = start_impatient()
    run = start()
    record = Record.read(run)
    kill(record.pid)
    kill(record.trainer_pid)
    innocent = Record.read(bystander).trainer_pid
    for change in (
        {"trainer_pid": innocent},  # another start
        {"trainer_pid": innocent, "trainer_start_ticks": Identity.of(innocent).start_ticks},  # not of this run
    ):
        run.supervisor.write_text(json.dumps(json.loads(run.supervisor.read_text()) | change))
        with pytest.raises(BadInput, match="not running"):
            control.request_stop(run, now=True)
    assert run.training() is False
    before = steps(bystander)[-1]
    until(lambda: steps(bystander)[-1] > before)


def test_an_identity_of_another_boot_is_not_alive(start):
    trainer = Record.read(start()).trainer
    assert trainer.alive()
    stranger = Identity(trainer.pid, trainer.start_ticks, "another boot")
    assert not stranger.alive()
    assert stranger.send(signal.SIGKILL) is False
    assert trainer.alive()


def test_a_run_that_has_ended_cannot_be_stopped(start):
    run = start("--steps", "1")
    end_of(run)
    until(lambda: not run.alive())
    with pytest.raises(BadInput, match="not running: it is completed"):
        control.request_stop(run)
    assert not run.stop_request.exists()


def test_a_stop_waits_its_time_in_every_stage():
    escalation = StopEscalation(Patience(least=100, hurry=5))
    assert escalation.due(10_000) is None
    assert escalation.ask(0, now=False, slowest=1)
    assert not escalation.ask(50, now=False, slowest=1)
    assert escalation.due(99) is None
    assert escalation.due(100) is signal.SIGTERM
    assert escalation.due(199) is None
    assert escalation.due(200) is signal.SIGKILL
    assert escalation.due(10_000) is None


def test_a_stop_waits_longer_than_the_slowest_save():
    escalation = StopEscalation(Patience(least=100))
    escalation.ask(0, now=False, slowest=1000)
    assert escalation.due(2000) is None
    assert escalation.due(2025) is signal.SIGTERM


def test_hurrying_sends_sigterm_at_once_and_sigkill_soon():
    escalation = StopEscalation(Patience(least=100, hurry=5))
    escalation.ask(0, now=False, slowest=0)
    escalation.ask(10, now=True, slowest=0)
    assert escalation.due(10) is signal.SIGTERM
    assert escalation.due(14) is None
    assert escalation.due(15) is signal.SIGKILL


def test_hurrying_after_sigterm_does_not_start_over():
    escalation = StopEscalation(Patience(least=100, hurry=5))
    escalation.ask(0, now=False, slowest=0)
    assert escalation.due(100) is signal.SIGTERM
    escalation.ask(110, now=True, slowest=0)
    assert escalation.due(115) is signal.SIGKILL


def test_the_slowest_save_and_silence_are_read_from_the_log_of_the_attempt(tmp_path):
    from workbench.contracts.events import EventWriter

    path = tmp_path / "events.jsonl"
    assert slowest(path, 1) == 0
    first = EventWriter(path, attempt=1)
    first.write("step", t=0.0, step=1)
    first.write("step", t=500.0, step=2)
    first.close()
    second = EventWriter(path, attempt=2)
    for t in (600.0, 603.0):
        second.write("step", t=t, step=3)
    assert slowest(path, 2) == 3.0
    second.write("checkpoint", t=604.0, step=3, seconds=40.5)
    path.open("ab").write(b'{"v":1,"seq":9,"t":9')
    assert slowest(path, 2) == 40.5
    assert slowest(path, 1) == 500.0
