"""The engines there are, and which of them a run is started with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workbench.core.errors import WorkbenchError
from workbench.runs.engines.engine import Engine, LaunchFacts
from workbench.runs.engines.local import LocalEngine
from workbench.runs.engines.torchrun import TorchrunEngine


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """`suits` says whether the engine is the one for a recipe's `[launch]`."""

    suits: Callable[[LaunchFacts], bool]
    make: Callable[[], Engine]


# The first that suits is taken. The name is kept in supervisor.json, so that the run is found again by its engine.
ENGINES: dict[str, EngineEntry] = {
    "local": EngineEntry(lambda launch: launch.processes == 1, LocalEngine),
    "torchrun": EngineEntry(lambda launch: launch.processes > 1, TorchrunEngine),
}


def engine_for(launch: LaunchFacts) -> tuple[str, Engine]:
    """The engine, with its name, that starts a run with this `[launch]`."""
    name = next(name for name, entry in ENGINES.items() if entry.suits(launch))
    return name, ENGINES[name].make()


def engine_named(name: str) -> Engine:
    """The engine that a run was started with. Raises WorkbenchError where this version does not know it."""
    if name not in ENGINES:
        raise WorkbenchError(
            f"the run was started with the engine {name!r}, which is not known here",
            hint="use the version of workbench that started it",
        )
    return ENGINES[name].make()
