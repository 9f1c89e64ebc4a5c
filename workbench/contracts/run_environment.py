"""The environment variables by which a run's supervisor speaks to its trainer, and by which its processes are known."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final

from workbench.core.rundir import RunDir

RUN_ID: Final = "WORKBENCH_RUN_ID"
RUN_DIRECTORY: Final = "WORKBENCH_RUN_DIR"
ATTEMPT: Final = "WORKBENCH_ATTEMPT"
ACCEPT: Final = "WORKBENCH_ACCEPT"

TAGS: Final = (RUN_ID, RUN_DIRECTORY, ATTEMPT)


def tags(run: RunDir, attempt: int) -> dict[str, str]:
    """The environment by which every process of a run can be told, whichever process became its parent."""
    return {RUN_ID: run.id, RUN_DIRECTORY: str(run.path.resolve()), ATTEMPT: str(attempt)}


def accepting(differences: Iterable[str]) -> dict[str, str]:
    """The differences (data, batch, …) that a resume may have, as the trainer is told of them."""
    joined = ",".join(differences)
    return {ACCEPT: joined} if joined else {}


def accepted(environ: Mapping[str, str] = os.environ) -> set[str]:
    """The kinds of difference that were accepted for this attempt; `all` accepts every one."""
    return {word.strip() for word in environ.get(ACCEPT, "").split(",") if word.strip()}


def attempt_given(environ: Mapping[str, str] = os.environ) -> int | None:
    """The number of this attempt, where a supervisor counts them."""
    given = environ.get(ATTEMPT, "")
    return int(given) if given.isdecimal() else None
