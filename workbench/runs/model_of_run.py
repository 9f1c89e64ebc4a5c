"""A run as the model of another: `model.name = "run:last"`, or the id of one that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from workbench.core.errors import ModelError
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.tasks.experiment import Experiment

PREFIX: Final = "run:"


def with_model_of_run(experiment: Experiment, home: Home) -> Experiment:
    """The experiment with the directory of the run's model instead of the run.

    After `run:` stands what a command takes for a run; without it only a whole id is one, since a name may be that of a
    model on the hub. What a run keeps is so the model that it had, whatever becomes of the names. Raises UnknownRun,
    AmbiguousRun, and ModelError where the run saved no model.
    """
    model = experiment.recipe.model
    if model.name.startswith(PREFIX):
        run = _found(home, model.name.removeprefix(PREFIX))
    elif model.name.isalnum() and (home.runs / model.name).is_dir():
        run = RunDir(home.runs / model.name)
    else:
        return experiment
    if not run.has_model:
        raise ModelError(
            f"{model.name} has saved no model", where="model.name", hint="name a run that has finished, or resume it"
        )
    named = model.model_copy(update={"name": str(run.model)})
    return replace(experiment, recipe=experiment.recipe.model_copy(update={"model": named}))


def _found(home: Home, handle: str) -> RunDir:
    from workbench.registry.current import current

    with current(home, lambda notice: None) as registry:
        return RunDir(home.runs / registry.find(handle).id)
