"""From a run that a pane names to its directory and the experiment behind it."""

from __future__ import annotations

from workbench.core.errors import UnknownRun
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.tasks.experiment import Experiment


def run_dir(home: Home, run: str) -> RunDir:
    """The directory of a run, given by id or as a path. Raises UnknownRun."""
    for candidate in (home.runs / run, expanded(run)):
        if (candidate / "run.json").is_file():
            return RunDir(candidate)
    raise UnknownRun(f"no run {run!r}", where=str(home.runs))


def of_run(home: Home, run: str) -> Experiment:
    """What a run was launched as. Raises UnknownRun, and BadInput where its run.json is damaged."""
    return Experiment.of_run(run_dir(home, run))
