"""What a user may do to a run: stop, resume, delete, restore, tag, note. Every act is an event in `user.jsonl`."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from workbench.contracts.events import (
    DeleteEvent,
    Event,
    EventWriter,
    NoteEvent,
    RestoreEvent,
    TagEvent,
    UntagEvent,
    read_all,
)
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.runs import stop_request
from workbench.runs.record import Placement, how_it_ended, in_progress
from workbench.runs.spawn import launch

HURRY: Final = 5.0
"""Seconds between SIGTERM and SIGKILL when a stop cannot wait."""


def record_act(run: RunDir, act: Event) -> None:
    """Append one event to `user.jsonl`. Any number of processes may: each takes its turn and goes on from the last seq.

    Raises WorkbenchError where it cannot be written (a full disk, say); then nothing has been done.
    """
    try:
        fd = os.open(run.user_log, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            log = EventWriter(run.user_log)
            try:
                log.append(act)
                log.sync()
                # Who ingests looks at ended runs only now and then, but at once when their directory's has changed.
                os.utime(run.path.parent)
            finally:
                log.close()
        finally:
            os.close(fd)
    except OSError as error:
        raise WorkbenchError(f"cannot be written ({error.strerror or error})", where=str(run.user_log)) from error


def request_stop(run: RunDir, now: bool = False) -> None:
    """Ask a run to save and end at the end of its step; with `now`, to be ended within seconds, saved or not.

    A stop is also a pause: `resume` goes on from the checkpoint it leaves, and the GPU is free meanwhile. Works
    without a supervisor too: the trainer looks for the request itself. Raises BadInput where nothing is running.
    """
    if not in_progress(run):
        raise BadInput(f"run {run.id} is not running{_ended_as(run)}")
    now = now or stop_request.wants_now(run)
    stop_request.write(run, now=now)
    placement = Placement.read(run)
    if now and placement is not None and placement.working() and not run.supervised():
        _end(placement)


def _ended_as(run: RunDir) -> str:
    end = how_it_ended(run)
    return f": it is {end.state}" if end else ""


def _end(placement: Placement) -> None:
    """End a trainer that has no supervisor, then whatever it leaves behind."""
    placement.signal(signal.SIGTERM)
    deadline = time.monotonic() + HURRY
    while placement.working() and time.monotonic() < deadline:
        time.sleep(0.05)
    placement.signal(signal.SIGKILL)


def resume(
    home: Home,
    run: RunDir,
    accept: Sequence[str] = (),
    *,
    from_start: bool = False,
    trainer: Sequence[str] = (),
) -> int:
    """Go on from the newest whole checkpoint, as the next attempt; returns the supervisor's pid.

    `accept` names differences (data, versions, …) the trainer would otherwise refuse. With `from_start` it begins
    again: the checkpoints there are set aside. `trainer` as in `launch`. Raises BadInput where there is nothing to go
    on from or nothing left to do.
    """
    home.ensure()
    if in_progress(run):
        raise BadInput(f"run {run.id} is running", hint=f"stop it first with `workbench stop {run.id}`")
    if deleted(run):
        raise BadInput(f"run {run.id} is deleted", hint=f"restore it first with `workbench restore {run.id}`")
    end = how_it_ended(run)
    if end is not None and end.state == "completed":
        raise BadInput(f"run {run.id} has completed: there is nothing to resume")
    stop_request.forget_now(run)
    with ExitStack() as changes:
        changes.enter_context(_put_away(run.stop_request, run.path / ".stop.taken-back"))
        if from_start:
            changes.enter_context(_put_away(run.checkpoints, run.path / f"checkpoints-before-{time.time():.0f}"))
        pid = launch(run, resume=True, from_start=from_start, accept=accept, trainer=trainer)
    (run.path / ".stop.taken-back").unlink(missing_ok=True)
    return pid


@contextmanager
def _put_away(path: Path, aside: Path) -> Iterator[None]:
    """Under another name, if it is there; where what follows fails it is as it was."""
    there = path.exists()
    if there:
        os.replace(path, aside)
    try:
        yield
    except WorkbenchError:
        if there:
            os.replace(aside, path)
        raise


def deleted(run: RunDir) -> bool:
    """Whether the newest of `delete` and `restore` is a delete."""
    acts = [event for event in read_all(run.user_log) if isinstance(event, (DeleteEvent, RestoreEvent))]
    return bool(acts) and isinstance(acts[-1], DeleteEvent)


def soft_delete(run: RunDir) -> None:
    """Take a run out of the listings; its files stay and `restore` brings it back. Raises BadInput while it lives."""
    if in_progress(run):
        raise BadInput(f"run {run.id} is running", hint=f"stop it first with `workbench stop {run.id}`")
    record_act(run, DeleteEvent())


def restore(run: RunDir) -> None:
    """Undo a delete."""
    record_act(run, RestoreEvent())


def tag(run: RunDir, name: str) -> None:
    """Add a tag. Raises BadInput for one that cannot be shown or searched."""
    record_act(run, TagEvent(tag=_checked_tag(name)))


def untag(run: RunDir, name: str) -> None:
    """Take a tag away."""
    record_act(run, UntagEvent(tag=_checked_tag(name)))


def _checked_tag(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 120 or not name.isprintable():
        raise BadInput(f"{name[:40]!r} is no tag", hint="give 1 to 120 printable characters")
    return name


def note(run: RunDir, text: str) -> None:
    """Replace the run's note; an empty one clears it."""
    record_act(run, NoteEvent(text=text))
