"""What users do to runs: each act one event, however many do it at once."""

import multiprocessing
import os

import pytest
from runs_support import end_of, fake, kill, steps, types, until

from workbench.contracts.events import read_all
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.supervisor_record import Record
from workbench.runs import control


def write_many(run, writer):
    for number in range(50):
        control.note(run, f"{writer}:{number}" + "x" * (number * 100))


def test_many_writers_neither_tear_nor_lose_nor_repeat(new_run):
    run = new_run()
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=write_many, args=(run, name)) for name in range(4)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    lines = run.user_log.read_bytes().splitlines()
    events = list(read_all(run.user_log))
    assert len(lines) == len(events) == 1 + 4 * 50
    assert [event.seq for event in events] == list(range(1, 202))
    said = [event.text.rstrip("x") for event in events[1:]]
    assert sorted(said) == sorted(f"{w}:{n}" for w in range(4) for n in range(50))


def test_a_torn_tail_is_left_behind(new_run):
    run = new_run()
    control.tag(run, "one")
    with run.user_log.open("ab") as log:
        log.write(b'{"v":1,"seq":3,"t":1,"ty')
    control.tag(run, "two")
    events = list(read_all(run.user_log))
    assert [(event.seq, event.type, getattr(event, "tag", None)) for event in events[1:]] == [
        (2, "tag", "one"),
        (3, "tag", "two"),
    ]


def test_tags_and_notes_are_events(new_run):
    run = new_run()
    control.tag(run, " best ")
    control.untag(run, "best")
    control.note(run, "two\nlines \x1b[2J")
    acts = [(event.type, event.fields()) for event in read_all(run.user_log)][1:]
    assert acts == [("tag", {"tag": "best"}), ("untag", {"tag": "best"}), ("note", {"text": "two\nlines \x1b[2J"})]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b]52;c;x\x07", "x" * 121])
def test_a_tag_that_cannot_be_shown_is_refused(new_run, name):
    run = new_run()
    with pytest.raises(BadInput, match="no tag"):
        control.tag(run, name)
    assert len(list(read_all(run.user_log))) == 1


def test_deleting_is_undone_by_restoring(home, new_run):
    run = new_run()
    assert not control.deleted(run)
    control.soft_delete(run)
    assert control.deleted(run)
    with pytest.raises(BadInput, match="restore"):
        control.resume(home, run)
    control.restore(run)
    assert not control.deleted(run)


def test_a_living_run_is_not_deleted(start):
    run = start()
    with pytest.raises(BadInput, match="stop it first"):
        control.soft_delete(run)
    kill(Record.read(run).pid)
    with pytest.raises(BadInput, match="stop it first"):
        control.soft_delete(run)
    assert not control.deleted(run)


def test_an_act_on_a_full_disk_is_an_error_and_no_act(new_run, monkeypatch):
    run = new_run()

    def full(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.contracts.events.log_writing.os.write", full)
    with pytest.raises(WorkbenchError, match="No space left"):
        control.tag(run, "x")
    monkeypatch.undo()
    control.tag(run, "y")
    assert [getattr(event, "tag", None) for event in read_all(run.user_log)] == [None, "y"]


def test_stop_then_resume_goes_on_as_the_next_attempt(home, start, sealed):
    run = start()
    control.request_stop(run)
    assert end_of(run)["state"] == "stopped"
    until(lambda: not run.alive())
    sealed(run, step=4)
    control.resume(home, run, trainer=fake(run, "--steps", "5"))
    assert not run.stop_request.exists()
    assert end_of(run, attempt=2)["state"] == "completed"
    assert {event.attempt for event in types(run.events, "step")} == {1, 2}
    until(lambda: not run.alive())
    with pytest.raises(BadInput, match="nothing to resume"):
        control.resume(home, run)


def test_a_running_run_is_not_resumed(home, start):
    run = start()
    with pytest.raises(BadInput, match="is running"):
        control.resume(home, run)
    kill(Record.read(run).pid)
    with pytest.raises(BadInput, match="is running"):
        control.resume(home, run)
    assert steps(run)


def test_a_run_without_a_sealed_checkpoint_says_what_to_do_and_stays_stopped(home, start):
    run = start()
    control.request_stop(run)
    end_of(run)
    until(lambda: not run.alive())
    (run.checkpoints / "step-9").mkdir(parents=True)  # torn: no seal
    with pytest.raises(BadInput, match=r"no whole checkpoint \(all are damaged\).*--from-start.*workbench run"):
        control.resume(home, run)
    assert run.stop_request.exists()
    assert Record.read(run).attempt == 1
    assert not [name for name in os.listdir(run.path) if name.startswith(".")]


def test_a_run_whose_checkpoints_are_all_damaged_begins_again_only_where_that_is_asked_for(home, start, sealed):
    run = start()
    control.request_stop(run)
    end_of(run)
    until(lambda: not run.alive())
    (sealed(run, step=4) / "model.safetensors").write_bytes(b"WEIGHTS")  # as long as before
    with pytest.raises(BadInput, match=r"all are damaged.*--from-start"):
        control.resume(home, run)
    control.resume(home, run, from_start=True, trainer=fake(run, "--steps", "3"))
    assert end_of(run, attempt=2)["state"] == "completed"
    assert types(run.supervisor_log, "started")[-1].resume_step == 0
    assert not run.checkpoints.exists()
    [aside] = run.path.glob("checkpoints-before-*")
    assert (aside / "step-4" / "model.safetensors").read_bytes() == b"WEIGHTS"


def test_accepted_differences_reach_the_trainer(home, start, sealed):
    run = start()
    kill(Record.read(run).trainer_pid)
    end_of(run)
    until(lambda: not run.alive())
    sealed(run, step=1)
    control.resume(home, run, ["data", "versions"], trainer=fake(run))
    record = until(lambda: (found := Record.read(run)) and found.attempt == 2 and found.trainer_pid and found)
    with open(f"/proc/{record.trainer_pid}/environ", "rb") as environment:
        assert b"WORKBENCH_ACCEPT=data,versions" in environment.read().split(b"\0")
