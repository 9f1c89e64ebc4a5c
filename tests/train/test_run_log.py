"""A full disk does not end training, and loses nothing that can be kept."""

from __future__ import annotations

import errno
import os

import pytest

from workbench.contracts import events
from workbench.contracts.events import UNDATED, StepEvent
from workbench.train.run_log import LogJournal


@pytest.fixture
def disk(monkeypatch):
    """A disk with so many bytes free."""
    write = os.write

    class Disk:
        free = 1 << 30

    def limited(fd: int, data: bytes) -> int:
        if Disk.free <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = write(fd, data[: Disk.free])
        Disk.free -= taken
        return taken

    monkeypatch.setattr(events.log_writing.os, "write", limited)
    return Disk


def step(number: int, t: float = UNDATED) -> StepEvent:
    return StepEvent(t=t, step=number, epoch=None, tokens=None, scalars={})


def test_what_a_full_disk_refuses_is_written_once_there_is_room(tmp_path, disk, capsys):
    path = tmp_path / "events.jsonl"
    journal = LogJournal(path, attempt=1)
    journal.write(step(1))
    disk.free = 30  # a part of the next line
    for number in (2, 3, 4):
        journal.write(step(number, t=float(number)))
    assert capsys.readouterr().err.count("cannot be written") == 1
    disk.free = 1 << 30
    journal.write(step(5))
    journal.close()
    found = list(events.read_all(path))
    steps = [event for event in found if event.type == "step"]
    assert [event.step for event in steps] == [1, 2, 3, 4, 5]
    assert [event.t for event in steps[1:4]] == [2.0, 3.0, 4.0]
    [gap] = [event for event in found if event.type == "warning"]
    assert "ENOSPC" in gap.text
    assert found.index(gap) == 1
    sequence = [event.seq for event in found]
    assert sequence == sorted(set(sequence))


def test_a_disk_full_to_the_end_is_said_on_stderr(tmp_path, disk, capsys):
    journal = LogJournal(tmp_path / "events.jsonl", attempt=1, patience=0.0)
    disk.free = 0
    journal.write(step(1))
    journal.warn("x", "y")
    journal.close()
    assert "2 events were lost" in capsys.readouterr().err
