"""Ask, before anything is created, whether an experiment would run: its data, its model, its metrics.

The answer needs readers that the command line and the TUI may not import, so a child process gives it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TypeVar

from workbench.contracts.check_report import CheckReport, Measurement, MeasureReport, parse
from workbench.core.errors import BadInput, RecipeError, WorkbenchError
from workbench.core.home import Home
from workbench.core.processes import UTF8
from workbench.runs.model_of_run import with_model_of_run
from workbench.runs.refused_recipe import refuse
from workbench.tasks.experiment import Experiment

R = TypeVar("R", CheckReport, MeasureReport)


def preflight(experiment: Experiment, home: Home) -> CheckReport:
    """What `workbench.train.check` says of the experiment.

    `home` is where the run's checkpoints would have to find room. Raises RecipeError with every problem found,
    WorkbenchError where the check itself broke.
    """
    try:
        report = _asked("workbench.train.check", CheckReport, with_model_of_run(experiment, home), home)
    except BadInput as error:
        found = error.problems if isinstance(error, RecipeError) else [error.sentence]
        raise RecipeError([*experiment.problems, *found]) from error
    if experiment.problems:
        raise RecipeError(list(experiment.problems))
    return report


def measure(experiment: Experiment, home: Home) -> Measurement:
    """What `workbench.train.measure` finds: memory, time and disk. Takes a few steps' time. Raises like `preflight`."""
    return _asked("workbench.train.measure", MeasureReport, with_model_of_run(experiment, home), home).measured


def _asked(module: str, kind: type[R], experiment: Experiment, home: Home) -> R:
    refuse(experiment)
    argv = [sys.executable, "-m", module, "-", "--home", str(home.path)]
    environment = os.environ | UTF8 | {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    child = subprocess.run(
        argv, capture_output=True, encoding="utf-8", errors="replace", env=environment, input=experiment.dump(),
        check=False,
    )  # fmt: skip
    try:
        return parse(kind, child.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        raise WorkbenchError(f"the check of the recipe broke off ({last})", where=experiment.where) from error
