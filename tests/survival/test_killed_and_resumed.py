"""Whatever is killed, and whenever: the resumed run ends as if nothing had happened, to the last bit and row."""

import threading

import pytest
from runs_support import kill, types, until
from survival_support import (
    STEPS,
    outcome,
    start,
    strike,
    strike_during_save,
    told_by_the_logs,
    wait_for_end,
    wait_for_step,
    whole_registry,
)

from workbench.core.supervisor_record import Record
from workbench.registry import Ingestor, Registry, reindex
from workbench.runs import control
from workbench.train.checkpoints import newest_sealed, step_of, verified


@pytest.fixture
def onlooker(home):
    """Somebody who looks at the registry all the while, as an open TUI does."""
    home.ensure()
    leave = threading.Event()

    def look():
        with Ingestor(home) as ingestor:
            while not leave.wait(0.05):
                ingestor.poll()

    thread = threading.Thread(target=look)
    thread.start()
    yield
    leave.set()
    thread.join()


def assert_as_if_nothing_had_happened(home, run, calm):
    found = outcome(home, run)
    assert found.last == calm.last, "the last weights differ"
    assert found.weights == calm.weights, "the chosen weights differ"
    assert found.predictions == calm.predictions
    assert found.points == calm.points
    assert found.points["train/loss"][0][0] == 1
    assert [step for step, _ in found.points["train/loss"]] == list(range(1, STEPS + 1))
    assert told_by_the_logs(run) == found.points
    before = whole_registry(home, run)
    assert reindex(home) == 1
    assert whole_registry(home, run) == before


def assert_state(home, run, state, attempts):
    with Ingestor(home) as ingestor:
        ingestor.poll(wait=True)
    with Registry.open(home) as registry:
        assert registry.find(run.id).state == state
        assert len(registry.attempts(run.id)) == attempts


@pytest.mark.usefixtures("onlooker")
def test_a_trainer_killed_twice_at_random_steps(home, material, uninterrupted, chance):
    run = start(home, material)
    wait_for_step(run, chance.randrange(8, 24))
    end = strike(run)
    assert (end["state"], end["signal"]) == ("killed", 9)
    assert_state(home, run, "killed", attempts=1)
    control.resume(home, run)
    wait_for_step(run, chance.randrange(26, 44), attempt=2)
    assert strike(run)["state"] == "killed"
    control.resume(home, run)
    assert wait_for_end(run)["state"] == "completed"
    assert_state(home, run, "completed", attempts=3)
    assert_as_if_nothing_had_happened(home, run, uninterrupted)


@pytest.mark.usefixtures("onlooker")
def test_a_trainer_killed_during_a_save(home, material, uninterrupted, chance):
    run = start(home, material)
    wait_for_step(run, chance.choice([8, 15, 22]))
    assert strike_during_save(run, files=chance.randrange(0, 10))["state"] == "killed"
    torn = [path for path in run.checkpoints.iterdir() if path.name.startswith(".partial-")]
    assert len(torn) == 1, "the save was not under way"
    newest = newest_sealed(run.checkpoints)
    assert verified(newest)
    control.resume(home, run)
    assert wait_for_end(run)["state"] == "completed"
    assert not torn[0].exists()
    assert types(run.events, "resumed")[0].step == step_of(newest)
    assert_as_if_nothing_had_happened(home, run, uninterrupted)


@pytest.mark.usefixtures("onlooker")
def test_a_run_paused_in_the_middle_of_an_epoch(home, material, uninterrupted, chance):
    run = start(home, material)
    wait_for_step(run, chance.randrange(2, 40))
    control.request_stop(run)
    end = wait_for_end(run)
    assert (end["state"], end["exit_code"]) == ("stopped", 0)
    paused_at = step_of(newest_sealed(run.checkpoints))
    assert types(run.events, "step")[-1].step == paused_at
    assert_state(home, run, "stopped", attempts=1)
    control.resume(home, run)
    assert wait_for_end(run)["state"] == "completed"
    assert types(run.events, "resumed")[0].step == paused_at
    assert_as_if_nothing_had_happened(home, run, uninterrupted)


@pytest.mark.usefixtures("onlooker")
def test_a_supervisor_killed_at_a_random_step(home, material, uninterrupted, chance):
    run = start(home, material)
    wait_for_step(run, chance.randrange(1, 40))
    kill(Record.read(run).pid)
    assert wait_for_end(run)["state"] == "completed"
    assert not types(run.supervisor_log, "finished")
    assert_state(home, run, "completed", attempts=1)
    assert_as_if_nothing_had_happened(home, run, uninterrupted)


def test_supervisor_and_trainer_killed_together(home, material, uninterrupted, chance):
    run = start(home, material)
    wait_for_step(run, chance.randrange(8, 40))
    record = Record.read(run)
    kill(record.pid)
    kill(record.trainer_pid)
    until(lambda: not run.alive())  # a process of many threads keeps its locks until the last of them has gone
    assert_state(home, run, "lost", attempts=1)
    control.resume(home, run)
    assert wait_for_end(run)["state"] == "completed"
    assert [event.state for event in types(run.supervisor_log, "finished")] == ["lost", "completed"]
    assert_as_if_nothing_had_happened(home, run, uninterrupted)
