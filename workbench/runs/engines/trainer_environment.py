"""The environment that a trainer is started with, whichever engine starts it."""

from __future__ import annotations

import os
from typing import Final

from workbench.contracts.run_environment import ACCEPT, TAGS, accepting, tags
from workbench.runs.engines.engine import Job

# What a launcher tells its ranks. Inherited from a job around us, it would make one process wait for others.
_RANK_VARIABLES: Final = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

_DEFAULTS: Final = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    "PYTHONFAULTHANDLER": "1",  # a crash in native code leaves its stack in console.log
}


def environment(job: Job) -> dict[str, str]:
    """Ours, the defaults, what `[launch]` says, and the tags that nothing may override."""
    launch = job.launch
    env = {name: value for name, value in job.environ.items() if name not in (*_RANK_VARIABLES, *TAGS, ACCEPT)}
    env |= _DEFAULTS
    if not launch.download:
        env["HF_HUB_OFFLINE"] = "1"  # an id that is not in the cache fails at once, not after 46 s
    if launch.threads:
        env["OMP_NUM_THREADS"] = str(launch.threads)
    if launch.device == "cpu":
        env["CUDA_VISIBLE_DEVICES"] = ""
    if _busy():
        env.setdefault("OMP_WAIT_POLICY", "passive")
    return env | dict(launch.env) | tags(job.run, job.attempt) | accepting(job.accept)


def _busy() -> bool:
    """Whether others keep this machine's processors at work as the run starts.

    OpenMP's threads spin while they wait for one another. On processors of their own that is quickest (passive
    waiting made a small encoder's step 1.4 times as long), but on shared ones a spinning thread keeps the others off:
    beside one other busy process, a step took ten times as long as with passive waiting.
    """
    return os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1)
