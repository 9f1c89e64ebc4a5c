"""The trainer on this machine: one process started directly, several through `torch.distributed.run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from workbench.core.rundir import RunDir
from workbench.runs.identity import TAGS, tags

TRAINER: Final = ("-m", "workbench.train")

ACCEPT: Final = "WORKBENCH_ACCEPT"
"""Differences, joined by commas, that a resume may have."""

# What a launcher tells its ranks. Inherited from a job around us, it would make one process wait for others.
_RANK_VARIABLES: Final = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

_DEFAULTS: Final = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    "PYTHONFAULTHANDLER": "1",  # a crash in native code leaves its stack in console.log
}


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute. `several` says that the ranks are the children of the process started, not itself."""

    argv: list[str]
    env: dict[str, str]
    several: bool


def command(
    run: RunDir,
    facts: Mapping[str, Any],
    *,
    attempt: int,
    environ: Mapping[str, str],
    accept: Sequence[str] = (),
    trainer: Sequence[str] = (),
) -> Command:
    """The command for an attempt of a run. `facts` is its run.json; `trainer` replaces the whole argv."""
    launch = facts.get("recipe", {}).get("launch", {})
    processes = int(launch.get("processes", 1))
    env = environment(run, facts, attempt=attempt, environ=environ)
    if accept:
        env[ACCEPT] = ",".join(accept)
    words = list(trainer) or argv(processes, (*TRAINER, str(run.path)))
    return Command(words, env, several=processes > 1)


def argv(processes: int, worker: Sequence[str]) -> list[str]:
    """How Python runs `worker` (a script or `-m module`, with its arguments) in so many ranks on this machine.

    `-P` keeps the working directory off the import path: no file lying there can stand in for a library.
    Restarts are the supervisor's, from a sealed checkpoint, hence none by the launcher; `--standalone` picks a free
    port on the loopback, so that two runs never meet.
    """
    if processes == 1:
        return [sys.executable, "-P", *worker]
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "--max-restarts=0"]
    return [sys.executable, "-P", *launcher, *worker]


def environment(run: RunDir, facts: Mapping[str, Any], *, attempt: int, environ: Mapping[str, str]) -> dict[str, str]:
    """The trainer's environment: ours, the defaults, what `[launch]` says, and the tags that nothing may override."""
    launch = facts.get("recipe", {}).get("launch", {})
    env = {name: value for name, value in environ.items() if name not in (*_RANK_VARIABLES, *TAGS, ACCEPT)}
    env |= _DEFAULTS
    if not facts.get("download", False):
        env["HF_HUB_OFFLINE"] = "1"  # an id that is not in the cache fails at once, not after 46 s
    if launch.get("threads"):
        env["OMP_NUM_THREADS"] = str(launch["threads"])
    if launch.get("device") == "cpu":
        env["CUDA_VISIBLE_DEVICES"] = ""
    if _busy():
        env.setdefault("OMP_WAIT_POLICY", "passive")
    own = {str(name): str(value) for name, value in launch.get("env", {}).items()}
    return env | own | tags(run, attempt)


def _busy() -> bool:
    """Whether others keep this machine's processors at work as the run starts.

    OpenMP's threads spin while they wait for one another. On processors of their own that is quickest (passive
    waiting made a small encoder's step 1.4 times as long), but on shared ones a spinning thread keeps the others off:
    beside one other busy process, a step took ten times as long as with passive waiting.
    """
    return os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1)
