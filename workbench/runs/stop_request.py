"""The request to stop: a file in the run's directory, which its trainer and its supervisor look for."""

from __future__ import annotations

import json
import time

from workbench.core.rundir import RunDir, write_atomic


def write(run: RunDir, *, now: bool = False) -> None:
    """Ask for an end after the step; with `now`, within seconds, saved or not. Raises OSError on a full disk."""
    write_atomic(run.stop_request, json.dumps({"t": round(time.time(), 3), "now": now}) + "\n")


def wants_now(run: RunDir) -> bool:
    """Whether the stop that was asked for cannot wait. False where none was asked for."""
    try:
        return bool(json.loads(run.stop_request.read_text("utf-8"))["now"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
