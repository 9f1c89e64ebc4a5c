"""A recipe becomes a run: a directory that is there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Mapping, Sequence

from workbench.contracts.events import CreatedEvent, EventWriter
from workbench.core import redact
from workbench.core.errors import BadInput
from workbench.core.home import Home
from workbench.core.rundir import RunDir, new_run_id, sync, write_atomic
from workbench.runs import provenance
from workbench.runs.refused_recipe import refuse
from workbench.tasks.experiment import Experiment


def create(home: Home, experiment: Experiment, *, argv: Sequence[str] = (), download: bool = False) -> RunDir:
    """Make a run of an experiment and return its directory.

    `argv` is kept as the command that asked for it; `download` lets the trainer reach the hub. Raises BadInput where
    the recipe holds a secret or the home cannot take the run; then nothing is left behind.
    """
    refuse(experiment)
    recipe, search = experiment.recipe, experiment.search
    facts = {
        "v": 1,
        "name": recipe.name,
        "created": round(time.time(), 3),
        "recipe": recipe.resolved(),
        "overrides": redact.argv(experiment.overrides),
        "digest": experiment.digest,
        "argv": redact.argv(argv),
        "search": [str(path) for path in search],
        "recipe_file": str(experiment.file) if experiment.file else None,
        "download": download,
        "git": provenance.git_state(search[0]) or provenance.git_state(search[-1]),
        "versions": provenance.versions(),
        "host": socket.gethostname(),
    }
    return _place(home.ensure(), experiment, facts)


def _place(home: Home, experiment: Experiment, facts: Mapping[str, object]) -> RunDir:
    """Write the directory under a name that nobody looks at, then rename it."""
    run = RunDir(home.runs / new_run_id())
    draft = home.runs / f".new-{run.id}"
    try:
        draft.mkdir(mode=0o700)
        _fill(RunDir(draft), run.id, experiment, facts)
        os.rename(draft, run.path)
        sync(home.runs)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return _place(home, experiment, facts)  # another run took the id within the same second
        raise _refused(error, home) from error
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return run


def _fill(draft: RunDir, run_id: str, experiment: Experiment, facts: Mapping[str, object]) -> None:
    recipe = experiment.recipe
    with open(os.open(draft.recipe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(experiment.source.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    write_atomic(draft.facts, json.dumps({"id": run_id, **facts}, indent=1, ensure_ascii=False) + "\n")
    log = EventWriter(draft.user_log)
    try:
        log.append(
            CreatedEvent(
                run=run_id,
                name=recipe.name,
                task=recipe.task,
                model=recipe.model.name or recipe.model.architecture or "",
                digest=experiment.digest,
            )
        )
        log.sync()
    finally:
        log.close()
    sync(draft.path)


def _refused(error: OSError, home: Home) -> BadInput:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BadInput(
            "no space left for a new run",
            where=str(home.path),
            hint="free some, or choose another home with --home or WORKBENCH_HOME",
        )
    return BadInput(
        f"a run cannot be made here ({error.strerror or error})",
        where=str(home.path),
        hint="choose another home with --home or WORKBENCH_HOME",
    )
