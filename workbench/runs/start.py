"""From an experiment to a run at work: check it, make the run, start it. Nothing is made of what would not run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.runs.create import create
from workbench.runs.model_of_run import with_model_of_run
from workbench.runs.preflight import preflight
from workbench.runs.spawn import launch
from workbench.tasks.experiment import Experiment


def start(
    home: Home,
    experiment: Experiment,
    *,
    argv: Sequence[str] = (),
    progress: Callable[[str], object] = lambda text: None,
) -> RunDir:
    """Check an experiment with its data and model, make a run of it and launch it.

    `argv` is kept as the command that asked for it, and `progress` is told what is being done. Raises RecipeError with
    every problem found, BadInput, WorkbenchError.
    """
    experiment = with_model_of_run(experiment, home.ensure())
    progress("looking at its data and model")
    report = preflight(experiment, home)
    progress("starting")
    run = create(home, experiment, argv=argv, download=report.model.where == "download")
    launch(run)
    return run
