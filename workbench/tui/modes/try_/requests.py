"""What Try is about: the runs it may load, read from the registry, and the places a model is loaded from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.contracts.lab.model_requests import ModelOpen
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.tasks.spec import asked_fields

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow
    from workbench.registry.store import Registry


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

    @property
    def where(self) -> Where:
        return Where(ModelOpen("run", self.id), self.name)

    @property
    def base_where(self) -> Where:
        return Where(ModelOpen("base", self.id), f"{self.base} (base)")


@dataclass(frozen=True)
class TryView:
    """The current run, and the marked runs besides."""

    run: TriedRun | None = None
    marked: tuple[TriedRun, ...] = ()


@dataclass(frozen=True)
class TryRequest:
    """What the pane asks of the feed. Without a current run the newest completed one stands for it."""

    current: str | None
    marks: tuple[str, ...] = ()

    def read(self, registry: Registry) -> TryView:
        run = _find(registry, self.current) if self.current else None
        if run is None:
            run = next((_tried(row) for row in registry.runs("state:completed", limit=1)), None)
        found = (_find(registry, id) for id in self.marks)
        return TryView(run, tuple(other for other in found if other and (run is None or other.id != run.id)))


def _find(registry: Registry, id: str) -> TriedRun | None:
    try:
        return _tried(registry.find(id, include_deleted=True))
    except WorkbenchError:
        return None


def _tried(row: RunRow) -> TriedRun:
    recipe = row.recipe
    base = str((recipe.get("model") or {}).get("name") or "")
    _, *others = asked_fields(row.task, recipe.get("data") or {})
    second = others[0] if others else ""
    return TriedRun(row.id, row.name, row.state, row.task, base, dict(recipe.get("generate") or {}), second)


def offers(home: Home, view: TryView) -> list[Where]:
    """Every place that can be named from here: the run, its sealed checkpoints, the marked runs, the base model."""
    from workbench.train.checkpoints import all_sealed

    if view.run is None:
        return [other.where for other in view.marked]
    kept = reversed(all_sealed(RunDir(home.runs / view.run.id).checkpoints))
    checkpoints = [Where(ModelOpen("checkpoint", str(path)), f"{view.run.name} {path.name}") for path in kept]
    base = [view.run.base_where] if view.run.base else []
    return [view.run.where, *(other.where for other in view.marked), *checkpoints, *base]


def named(home: Home, text: str) -> Where:
    """A typed run or directory. Blocks. Raises BadInput, UnknownRun or AmbiguousRun."""
    path = expanded(text.strip())
    if path.is_dir():
        return Where(ModelOpen("path", str(path.absolute())), path.name)
    if not text.strip() or "/" in text:
        raise BadInput(f"no such directory: {text}", hint="give a run, or a directory with config.json in it")
    from workbench.registry.current import current

    with current(home, lambda _: None) as registry:
        return _tried(registry.find(text.strip())).where
