"""A run's supervisor is started so that nothing which ends here ends it."""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
from collections.abc import Sequence

from workbench.contracts.run_environment import TAGS
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.processes import UTF8
from workbench.core.rundir import RunDir
from workbench.runs import session_life
from workbench.runs.engines.engine import LaunchFacts
from workbench.runs.record import in_progress
from workbench.runs.refused_recipe import running_code

PATIENCE = 60.0
"""Seconds a supervisor may take to start; it needs a fraction of one."""


def launch(
    run: RunDir,
    *,
    resume: bool = False,
    from_start: bool = False,
    accept: Sequence[str] = (),
    trainer: Sequence[str] = (),
) -> int:
    """Start a run, or with `resume` its next attempt, `from_start` or not, and return the supervisor's pid.

    Returns once the supervisor holds its lock and the trainer is started. `accept` names the differences a resume
    may have. `trainer` is a command to run in place of workbench's own trainer. Raises BadInput where the run is at
    work already or has no whole checkpoint to go on from, and WorkbenchError where the supervisor fails to start.
    """
    if in_progress(run):
        raise BadInput(f"run {run.id} is at work already", hint=f"stop it first with `workbench stop {run.id}`")
    if "env" not in accept:
        _refuse_unseen_code(run)
    command = [*session_life.here().scope, sys.executable, "-P", "-m", "workbench.runs.supervisor"]
    command.append(str(run.path.absolute()))
    if resume:
        command += ["--resume-step", "0" if from_start else str(_resume_step(run))]
    for difference in accept:
        command += ["--accept", difference]
    return _start(run, command, trainer)


def _refuse_unseen_code(run: RunDir) -> None:
    """A directory that another has made may say in its recipe what the trainer is to load."""
    try:
        env = LaunchFacts.of(run.read_facts()).env
    except (OSError, ValueError, AttributeError):
        return  # the supervisor says what is wrong with them
    if found := running_code(env):
        told = ", ".join(f"{name}={env[name]}" for name in found)
        raise BadInput(
            f"launch.env of run {run.id} can have the trainer run code unseen ({told})",
            hint=f"if that is yours, `workbench resume {run.id} --accept env`",
        )


def _resume_step(run: RunDir) -> int:
    from workbench.train.checkpoints import newest_verified, step_of

    newest, damaged = newest_verified(run.checkpoints)
    step = None if newest is None else step_of(newest)
    if step is None:
        there = "no whole checkpoint (all are damaged)" if damaged else "no sealed checkpoint"
        begin = f"begin again with `workbench resume {run.id} --from-start`, or start it anew with `{_anew(run)}`"
        raise BadInput(f"run {run.id} has {there} to go on from", hint=begin)
    return step


def _anew(run: RunDir) -> str:
    """The command that starts the same experiment again: its recipe where it was, else as it was kept."""
    try:
        facts = run.read_facts()
    except (OSError, ValueError):
        facts = {}
    file = facts.get("recipe_file")
    recipe = file if isinstance(file, str) and os.path.isfile(file) else str(run.recipe)
    changes = [word for change in facts.get("overrides") or [] for word in ("--set", str(change))]
    return shlex.join(["workbench", "run", recipe, *changes])


def _start(run: RunDir, command: list[str], trainer: Sequence[str]) -> int:
    ready, answer = os.pipe()
    command += ["--ready-fd", str(answer)] + (["--", *trainer] if trainer else [])
    try:
        with open(os.open(run.console, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as console:
            # The supervisor forks once more, so this child ends at once and leaves no zombie to a TUI that stays.
            starter = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, cwd="/", env=_environment(),
                start_new_session=True, pass_fds=[answer], umask=0o077,
            )  # fmt: skip
    except OSError as error:
        os.close(ready)
        raise WorkbenchError(f"the supervisor cannot be started ({error})", where=str(run.path)) from error
    finally:
        os.close(answer)
    try:
        return _await(run, ready)
    finally:
        os.close(ready)
        starter.wait()


def _environment() -> dict[str, str]:
    """Ours, for processes that work in other directories. A run started from within another run is not part of it."""
    environment = {name: value for name, value in os.environ.items() if name not in TAGS} | UTF8
    if places := environment.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(place) for place in places.split(os.pathsep))
    return environment


def _await(run: RunDir, ready: int) -> int:
    """The supervisor's pid, once it says it is at work."""
    received = b""
    while select.select([ready], [], [], PATIENCE)[0]:
        block = os.read(ready, 65536)
        if not block:
            break
        received += block
    try:
        answer = json.loads(received)
    except ValueError as error:
        raise WorkbenchError(
            f"the supervisor of run {run.id} ended before it was at work", hint=f"see the end of {run.console}"
        ) from error
    if "error" in answer:
        kind = BadInput if answer.get("exit_code") == 2 else WorkbenchError
        raise kind(answer["error"])
    return int(answer["pid"])
