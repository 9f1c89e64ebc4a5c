"""What Try is about: the runs it may load, read from the registry, and the places a model is loaded from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.contracts.lab.model_requests import ModelOpen
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.display.run_labels import differences, label
from workbench.models.locate import locate, on_this_machine
from workbench.tasks.experiment import Experiment
from workbench.tasks.spec import asked_fields, specs
from workbench.tui.offers import has_model

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow
    from workbench.registry.store import Registry


_RECENT = 20  # other runs that may be offered


@dataclass(frozen=True)
class Where:
    """A place to load from, and what to call it."""

    request: ModelOpen
    title: str


@dataclass(frozen=True)
class TriedRun:
    """A run as far as Try needs it. `base` is the model it was tuned from; empty where it was built from scratch."""

    id: str
    name: str
    state: str
    task: str
    base: str = ""
    generate: Mapping[str, object] = field(default_factory=dict)
    second: str = ""  # the field besides the first that a row needs, as far as the recipe says
    label: str = ""  # the name, and what differs where another has the same

    @property
    def where(self) -> Where:
        return Where(ModelOpen("run", self.id), self.label or self.name)

    @property
    def base_where(self) -> Where:
        return Where(ModelOpen("base", self.id), f"{self.base} (base)")


@dataclass(frozen=True)
class TryView:
    """The current run, the marked runs besides, and the newest others that ended well."""

    run: TriedRun | None = None
    marked: tuple[TriedRun, ...] = ()
    recent: tuple[TriedRun, ...] = ()


@dataclass(frozen=True)
class TryRequest:
    """What the pane asks of the feed. Without a current run the newest completed one stands for it."""

    current: str | None
    marks: tuple[str, ...] = ()

    def read(self, registry: Registry) -> TryView:
        row = _find(registry, self.current) if self.current else None
        recent = registry.runs("state:completed or state:stopped", limit=_RECENT)
        row = row or next((other for other in recent if other.state == "completed"), None)
        marked = [other for id in self.marks if (other := _find(registry, id)) and (row is None or other.id != row.id)]
        apart = differences([*([row] if row else []), *marked, *recent])
        known = {other.id for other in (*marked, *([row] if row else []))}
        return TryView(
            _tried(row, apart) if row else None,
            tuple(_tried(other, apart) for other in marked),
            tuple(_tried(other, apart) for other in recent if other.id not in known),
        )


def _find(registry: Registry, id: str) -> RunRow | None:
    try:
        return registry.find(id, include_deleted=True)
    except WorkbenchError:
        return None


def _tried(row: RunRow, apart: Mapping[str, str]) -> TriedRun:
    recipe = row.recipe
    base = str((recipe.get("model") or {}).get("name") or "")
    _, *others = asked_fields(row.task, recipe.get("data") or {})
    second = others[0] if others else ""
    generate = dict(recipe.get("generate") or {})
    return TriedRun(row.id, row.name, row.state, row.task, base, generate, second, label(row, apart))


def offers(home: Home, view: TryView) -> list[Where]:
    """What can be loaded from here: the run, the marked ones, its sealed checkpoints, its base model, other runs."""
    from workbench.train.checkpoints import all_sealed

    runs = [other.where for other in (*view.marked, *view.recent) if has_model(RunDir(home.runs / other.id))]
    if view.run is None:
        return runs
    kept = reversed(all_sealed(RunDir(home.runs / view.run.id).checkpoints))
    checkpoints = [Where(ModelOpen("checkpoint", str(path)), f"{view.run.name} {path.name}") for path in kept]
    base = [view.run.base_where] if _base_answers(home, view.run) else []
    run = [view.run.where] if has_model(RunDir(home.runs / view.run.id)) else []
    marked = {other.id for other in view.marked}
    first = [where for where in runs if where.request.value in marked]
    return [*run, *first, *checkpoints, *base, *(where for where in runs if where not in first)]


def _base_answers(home: Home, run: TriedRun) -> bool:
    """Whether the model that a run was tuned from is here, and has a head of its own."""
    if not run.base:
        return False
    try:
        experiment = Experiment.of_run(RunDir(home.runs / run.id))
        if not on_this_machine(run.base, experiment.search):
            return False
        directory = locate(experiment.recipe.model, experiment.search).directory
        config = json.loads((directory / "config.json").read_text("utf-8")) if directory else {}
    except (WorkbenchError, OSError, ValueError):
        return False
    heads = tuple(suffix for spec in specs().values() for suffix in spec.head.suffixes)
    return any(str(name).endswith(heads) for name in config.get("architectures") or ())


def named(home: Home, text: str) -> Where:
    """A typed run or directory. Blocks. Raises BadInput, UnknownRun or AmbiguousRun."""
    path = expanded(text.strip())
    if path.is_dir():
        return Where(ModelOpen("path", str(path.absolute())), path.name)
    if not text.strip() or "/" in text:
        raise BadInput(f"no such directory: {text}", hint="give a run, or a directory with config.json in it")
    from workbench.registry.current import current

    with current(home, lambda _: None) as registry:
        return _tried(registry.find(text.strip()), {}).where
