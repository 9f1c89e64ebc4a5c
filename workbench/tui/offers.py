"""What may be offered to be opened: only what is on this machine, so that nothing fails that was offered. Blocks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from workbench.core.errors import WorkbenchError
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.display.run_labels import full_label

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow

_MOST: Final = 50
_SLICE: Final = re.compile(r"\[[^\]]*\]$")


class Offer(NamedTuple):
    """A line of a list, and what stands for it."""

    text: str
    value: str


def run_offers(home: Home, usable: Callable[[RunDir, RunRow], bool]) -> list[Offer]:
    """The newest runs that can be used, by name, what differs, and id."""
    from workbench.registry.store import Registry

    try:
        with Registry.open(home, readonly=True) as registry:
            runs = registry.runs(limit=_MOST)
    except WorkbenchError:
        return []
    return [Offer(full_label(run, runs), run.id) for run in runs if usable(RunDir(home.runs / run.id), run)]


def has_model(run: RunDir) -> bool:
    """Whether a run has weights that can be loaded: a model, adapters, or a sealed checkpoint."""
    from workbench.train.checkpoints import newest_sealed

    return run.has_model or newest_sealed(run.checkpoints) is not None


def has_rows(run: RunDir, row: RunRow) -> bool:
    """Whether the rows that a run was trained on are still there."""
    try:
        search = [Path(str(place)) for place in run.read_facts().get("search", ())]
    except (WorkbenchError, OSError, ValueError):
        return False
    return missing_rows(row.recipe, search) == ""


def missing(recipe: Mapping[str, object], search: Sequence[Path]) -> str:
    """What a recipe needs that is not on this machine: "hub", "file", or nothing."""
    return missing_model(recipe, search) or missing_rows(recipe, search)


def missing_model(recipe: Mapping[str, object], search: Sequence[Path]) -> str:
    from workbench.models.locate import BPE, on_this_machine

    model = _table(recipe, "model")
    names = [model.get("name"), model.get("tokenizer")]
    wanted = [str(name) for name in names if name and name != BPE]
    return "" if all(on_this_machine(name, search) for name in wanted) else "hub"


def missing_rows(recipe: Mapping[str, object], search: Sequence[Path]) -> str:
    from workbench.models.hub import dataset_configs

    data = _table(recipe, "data")
    source = str(data.get("source") or "")
    if source:
        here = source.startswith("builtin:") or _is_there(source, search) or bool(dataset_configs(source))
        return "" if here else "hub"
    files = [str(data[split]) for split in ("train", "validation", "test") if data.get(split)]
    return "" if all(_is_there(_SLICE.sub("", file), search) for file in files) else "file"


def _table(recipe: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = recipe.get(name)
    return found if isinstance(found, dict) else {}


def _is_there(written: str, search: Sequence[Path]) -> bool:
    return any((place / expanded(written)).exists() for place in search or [Path()])


def completed(text: str) -> tuple[str, list[str]]:
    """A path with as much added as can only be meant, and the names that it may go on with."""
    folder, begun = os.path.split(text)
    try:
        entries = sorted(expanded(folder or ".").iterdir())
    except OSError:
        return text, []
    fitting = [
        entry.name + ("/" if entry.is_dir() else "")
        for entry in entries
        if entry.name.startswith(begun) and (begun or not entry.name.startswith("."))
    ]
    if not fitting:
        return text, []
    least, most = min(fitting), max(fitting)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False)))
    return os.path.join(folder, least[:alike]), fitting
