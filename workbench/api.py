"""workbench from Python: start runs, find them, read what they logged, and ask their models.

    from workbench import Workbench

    bench = Workbench()
    run = bench.start("recipes/imdb-bert-cased-500.toml", {"train.learning_rate": 3e-5}).wait()
    print(run.state, run.metrics["eval/accuracy"].best)
    with run.model() as model:
        print(model.predict(["I cannot stand it anymore!"]))

Training and models live in processes of their own, as for the command line: nothing here imports torch, and a run goes
on when the script that started it has ended.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.contracts.check_report import CheckReport
from workbench.contracts.events import Event
from workbench.core.errors import BadInput
from workbench.core.home import Home, recipe_file
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.lab.opened import Model
from workbench.registry import Registry, RunRow, Summary
from workbench.registry.current import current
from workbench.runs import control
from workbench.runs.preflight import preflight
from workbench.runs.record import in_progress
from workbench.runs.start import start
from workbench.tasks.experiment import Experiment

if TYPE_CHECKING:
    import pyarrow as pa

_POLL: Final = 0.2  # seconds between looks at a run that is waited for


class Workbench:
    """All runs of one home, the same that the command line and the TUI show."""

    def __init__(self, home: str | Path | None = None) -> None:
        """`home` as `--home`: by default `$WORKBENCH_HOME`, else `$XDG_DATA_HOME/workbench`. Touches nothing."""
        self.home = Home.resolve(home)

    def __repr__(self) -> str:
        return f"Workbench({str(self.home.path)!r})"

    def check(self, recipe: str | Path, changes: Mapping[str, Any] | None = None) -> CheckReport:
        """What `workbench check RECIPE` tells. Raises RecipeError with every problem found."""
        return preflight(Experiment.read(recipe_file(str(recipe)), _overrides(changes), to_check=True), self.home)

    def start(self, recipe: str | Path, changes: Mapping[str, Any] | None = None, *, tags: Sequence[str] = ()) -> Run:
        """Check a recipe, a file or the name of a shipped one, and start it as a run that goes on by itself.

        `changes` override fields: `{"train.learning_rate": 3e-5, "name": "lower"}`; None leaves a field out. Raises
        RecipeError with every problem found, BadInput, WorkbenchError; then nothing has been made.
        """
        experiment = Experiment.read(recipe_file(str(recipe)), _overrides(changes), tags=tags, to_check=True)
        return self.run(start(self.home, experiment, argv=sys.argv).id)

    def run(self, handle: str) -> Run:
        """The run that an id, a unique prefix, a unique name or "last" means. Raises UnknownRun, AmbiguousRun."""
        with self._registry() as registry:
            return Run(self, registry.find(handle, include_deleted=True))

    def runs(self, filter: str = "", *, limit: int | None = None) -> list[Run]:
        """Runs, newest first, that a filter leaves: `"task:seq2seq last(eval/bleu)>20"`. Raises QueryError."""
        with self._registry() as registry:
            return [Run(self, row) for row in registry.runs(filter, limit=limit)]

    def model(self, directory: str | Path) -> Model:
        """A model directory, a checkpoint or a run's directory, opened to be asked. Raises ModelError."""
        return Model(expanded(directory).absolute())

    def _registry(self) -> AbstractContextManager[Registry]:
        return current(self.home, lambda notice: warnings.warn(notice, stacklevel=4))


@dataclass(frozen=True)
class Run:
    """A run as it was when it was asked for; `now()` asks again. `facts` is all that the registry says of it."""

    bench: Workbench
    facts: RunRow

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.name!r}, {self.state!r})"

    @property
    def id(self) -> str:
        return self.facts.id

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def state(self) -> str:
        """One of created, queued, running, stopping, completed, stopped, failed, killed, lost, diverged."""
        return self.facts.state

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe, every default written out."""
        return self.facts.recipe

    @property
    def metrics(self) -> Mapping[str, Summary]:
        """Each scalar by its key, such as `eval/f1`: first, last, min, max, best and the step where that is."""
        return self.facts.metrics

    @property
    def directory(self) -> Path:
        """The run's directory; `directory / "model"` loads with plain `from_pretrained`."""
        return self._place.path

    @property
    def _place(self) -> RunDir:
        return RunDir(self.bench.home.runs / self.id)

    def now(self) -> Run:
        """The same run as it is now. Raises UnknownRun where it is gone."""
        return self.bench.run(self.id)

    def wait(self, timeout: float | None = None) -> Run:
        """The run once no process of it is at work. Raises TimeoutError after so many seconds; the run goes on."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while in_progress(self._place):
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"run {self.id} is at work still")
            time.sleep(_POLL)
        return self.now()

    def points(self, key: str) -> list[tuple[int, float, float]]:
        """Every logged point of a scalar: (step, value, seconds since 1970). Raises BadInput for a key it has not."""
        with self.bench._registry() as registry:
            return registry.scalar(self.id, key)

    def events(self, *types: str) -> list[Event]:
        """What the run's logs say beside its points, oldest first: `events("eval", "warning")`."""
        with self.bench._registry() as registry:
            return registry.events(self.id, types)

    def predictions(self, split: str = "validation") -> pa.Table:
        """Each evaluated row: its number, label, prediction and what else its task keeps. Raises BadInput."""
        import pyarrow.parquet as pq

        file = self._place.predictions / f"{split}.parquet"
        if not file.is_file():
            known = sorted(path.stem for path in file.parent.glob("*.parquet"))
            raise BadInput(f"no predictions of {split!r} in {self.id}", hint=f"it has {', '.join(known) or 'none yet'}")
        return pq.read_table(file)

    def model(self, checkpoint: int | None = None) -> Model:
        """The run's model, or that of the checkpoint of a step, opened to be asked. Raises ModelError."""
        from workbench.train.checkpoints import directory

        return Model(self.directory if checkpoint is None else directory(self._place.checkpoints, checkpoint))

    def stop(self, *, now: bool = False) -> None:
        """End at the end of the step, its state saved; with `now` at once. Raises BadInput where nothing runs."""
        control.request_stop(self._place, now=now)

    def resume(self, *, accept: Sequence[str] = ()) -> Run:
        """Go on from the newest sealed checkpoint. `accept` names differences to accept. Raises BadInput."""
        control.resume(self.bench.home, self._place, accept=tuple(accept))
        return self.now()

    def tag(self, *tags: str) -> Run:
        """Raises BadInput for a tag that cannot be shown."""
        for tag in tags:
            control.tag(self._place, tag)
        return self.now()


def _overrides(changes: Mapping[str, Any] | None) -> list[str]:
    """As after `--set`: each value as TOML."""
    import tomlkit

    return [
        f"{field}={'none' if value is None else tomlkit.item(value).as_string()}"
        for field, value in (changes or {}).items()
    ]
