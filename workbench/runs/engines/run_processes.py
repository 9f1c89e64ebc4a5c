"""The processes of a run on this machine, known by the tags in their environment, and how they are ended."""

from __future__ import annotations

import os
import signal
import time
from typing import Final

from workbench.contracts.run_environment import RUN_DIRECTORY, RUN_ID, tags
from workbench.core.processes import PROC, Identity
from workbench.core.rundir import RunDir

_GRACE: Final = 3.0
"""Seconds that what is left of a run has to end in after each signal."""


def carries(pid: int, run: RunDir) -> bool:
    """Whether the process was started with the tags of this run."""
    try:
        environment = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    wanted = tags(run, 0)
    return all(os.fsencode(f"{name}={wanted[name]}") in environment for name in (RUN_ID, RUN_DIRECTORY))


def tagged(run: RunDir) -> list[Identity]:
    """Every process on this machine that carries the run's tags, this one left out."""
    pids = [int(name) for name in os.listdir(PROC) if name.isdigit() and int(name) != os.getpid()]
    found = [Identity.of(pid) for pid in pids if carries(pid, run)]
    return [identity for identity in found if identity is not None]


def end_tagged(run: RunDir) -> None:
    """End every process that carries the run's tags: ranks that outlived their launcher, loaders, servers."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = tagged(run)
        for process in left:
            process.send(number)
        # After SIGKILL too: what they hold of a GPU is free only when they are gone.
        deadline = time.monotonic() + _GRACE
        while left and time.monotonic() < deadline:
            time.sleep(0.02)
            left = [process for process in left if process.alive()]
