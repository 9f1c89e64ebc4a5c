"""Giving disk space back: a deleted run for good, or the checkpoints of a run that are no longer needed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from workbench.contracts.events import CheckpointEvent, read_all
from workbench.core.errors import BadInput
from workbench.core.rundir import RunDir
from workbench.runs import control
from workbench.runs.record import in_progress

_PURGED: Final = ".purged-"
_SET_ASIDE: Final = "checkpoints-before-*"


def disk_bytes(path: Path) -> int:
    """What a directory takes on the disk; 0 where it is not there. A file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for parent, _, names in os.walk(path):
        for name in names:
            try:
                found = os.lstat(os.path.join(parent, name))
            except OSError:
                continue  # it went meanwhile
            seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def purge(run: RunDir) -> int:
    """Remove a deleted run from the disk, for good. Returns the bytes that it took.

    It goes out of sight whole before anything of it is removed. Raises BadInput where it is not deleted or at work,
    OSError where it cannot be removed.
    """
    if not control.deleted(run):
        raise BadInput(f"run {run.id} is not deleted", hint=f"delete it first with `workbench rm {run.id}`")
    _refuse_at_work(run)
    size = disk_bytes(run.path)
    hidden = run.path.with_name(f"{_PURGED}{run.id}")
    os.rename(run.path, hidden)
    # With it goes what a purge that was cut off has left.
    for left in run.path.parent.glob(f"{_PURGED}*"):
        shutil.rmtree(left)
    return size


def dispensable(run: RunDir, keep: int) -> list[Path]:
    """The checkpoints, oldest first, but the newest `keep` whole ones and the best; and those that were set aside.

    Raises BadInput while the run is at work: its trainer removes its own.
    """
    from workbench.train.checkpoints import all_sealed, directory, in_order  # with OpenSSL: only where it is asked

    _refuse_at_work(run)
    best = [
        event.step
        for event in read_all(run.events)
        if isinstance(event, CheckpointEvent) and event.best and event.step is not None
    ]
    whole = all_sealed(run.checkpoints)
    kept = {*(whole[-keep:] if keep else []), *(directory(run.checkpoints, step) for step in best[-1:] if keep)}
    return [path for path in (*in_order(run.checkpoints), *sorted(run.path.glob(_SET_ASIDE))) if path not in kept]


def remove(paths: list[Path]) -> int:
    """Remove directories. Returns the bytes that they took."""
    size = sum(map(disk_bytes, paths))
    for path in paths:
        # Without its seal a checkpoint that is half removed counts as nothing.
        (path / "MANIFEST.json").unlink(missing_ok=True)
        shutil.rmtree(path)
    return size


def _refuse_at_work(run: RunDir) -> None:
    if in_progress(run):
        raise BadInput(f"run {run.id} is running", hint=f"stop it first with `workbench stop {run.id}`")
