"""The trainer as several ranks on this machine, started through `torch.distributed.run`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from signal import SIGKILL, SIGTERM, Signals
from typing import Final

import psutil

from workbench.core.processes import Identity
from workbench.core.rundir import RunDir
from workbench.runs.engines import local
from workbench.runs.engines.engine import Exited, Job
from workbench.runs.outcome import TRACEBACK

_RANK_PREFIX: Final = re.compile(r"^\[rank\d+\]: ?", re.MULTILINE)
_EXIT_CODE: Final = re.compile(r"^\s*exitcode\s*:\s*(-?\d+)", re.MULTILINE)


def argv(processes: int, worker: Sequence[str]) -> list[str]:
    """How Python runs `worker` in so many ranks on this machine.

    Restarts are the supervisor's, from a sealed checkpoint, hence none by the launcher; `--standalone` picks a free
    port on the loopback, so that two runs never meet.
    """
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "--max-restarts=0"]
    return local.argv([*launcher, *worker])


class TorchrunEngine(local.LocalEngine):
    """One launcher a run, its ranks the launcher's children. Each rank leads a session of its own."""

    def argv(self, job: Job) -> list[str]:
        return argv(job.launch.processes, (*local.TRAINER, str(job.run.path)))

    def receivers(self, run: RunDir, trainer: Identity, number: Signals) -> list[Identity]:
        """SIGTERM goes to the ranks, who answer it with a save: the launcher would answer it by killing them."""
        ranks = [] if number is SIGKILL else _children(trainer.pid)
        return ranks or super().receivers(run, trainer, number)

    def exited(self, run: RunDir, status: int) -> Exited:
        return of_rank(super().exited(run, status))


def of_rank(exited: Exited) -> Exited:
    """What the launcher reports of the rank that failed first, in place of its own exit code of 1."""
    # The launcher's traceback and report come last on the console, after the root cause.
    own, _, report = exited.console.rpartition(TRACEBACK)
    codes = [int(code) for code in _EXIT_CODE.findall(report)] if "ChildFailedError" in report else []
    if not codes:
        return exited
    # The others fail for want of the one that was struck, and may be noticed before it; SIGTERM is the launcher's.
    struck = [code for code in codes if code < 0 and code != -SIGTERM]
    code = struck[0] if struck else codes[-1]
    console = _RANK_PREFIX.sub("", own)
    return replace(exited, code=code if code >= 0 else None, signal=-code if code < 0 else None, console=console)


def _children(pid: int) -> list[Identity]:
    try:
        children = psutil.Process(pid).children()
    except psutil.Error:
        return []
    return [identity for child in children if (identity := Identity.of(child.pid))]
