"""The request to stop: a file in the run's directory, which its trainer and its supervisor look for."""

from __future__ import annotations

import errno
import json
import time
from pathlib import Path

from workbench.core.rundir import RunDir, write_atomic


def write(run: RunDir, *, now: bool = False) -> None:
    """Ask for an end after the step; with `now`, within seconds, saved or not.

    On a full disk an empty file says the one and an empty `stop-now` beside it the other: they take no room but their
    names in the directory. Raises OSError where not even that can be made.
    """
    try:
        write_atomic(run.stop_request, json.dumps({"t": round(time.time(), 3), "now": now}) + "\n")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        if now:
            _now(run).touch(0o600)
        run.stop_request.touch(0o600)


def forget_now(run: RunDir) -> None:
    """A stop that is asked for after this can wait, unless it says that it cannot."""
    _now(run).unlink(missing_ok=True)


def _now(run: RunDir) -> Path:
    return run.stop_request.with_name("stop-now")


def wants_now(run: RunDir) -> bool:
    """Whether the stop that was asked for cannot wait. False where none was asked for."""
    if _now(run).exists():
        return True
    try:
        return bool(json.loads(run.stop_request.read_text("utf-8"))["now"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
