"""What panes say of runs beside their numbers: how they are told apart, what goes wrong, what a starting one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.contracts.events import WORKING_STATES
from workbench.display.run_labels import differences, label
from workbench.display.warning_signs import WATCHED, warning_signs

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow
    from workbench.registry.store import Registry

# What a run does after each event, until the next of them comes.
_PHASES = {"": "starting", "started": "loading data", "data": "loading the model", "plan": "taking its first step"}


@dataclass(frozen=True)
class RunNews:
    """By the run's id: `apart` of those that share a name, `signs` in sentences, `phases` of those that start."""

    apart: Mapping[str, str] = field(default_factory=dict)
    signs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    phases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, registry: Registry, runs: Sequence[RunRow]) -> RunNews:
        means = {key: registry.sparkline([run.id for run in runs], key=key, width=32) for key in WATCHED}
        signs = {run.id: warning_signs(run, {key: means[key].get(run.id, ()) for key in WATCHED}) for run in runs}
        starting = [run for run in runs if run.state in WORKING_STATES and not run.step]
        return cls(
            differences(runs),
            {run_id: said for run_id, said in signs.items() if said},
            {run.id: phase(registry, run.id) for run in starting},
        )

    def label(self, run: RunRow) -> str:
        """The run as it is told apart from the others: name, what differs, id."""
        return label(run, self.apart)


def phase(registry: Registry, run: str) -> str:
    """What a run that has not taken a step yet is doing."""
    events = registry.events(run, [name for name in _PHASES if name])
    newest = max((event.attempt for event in events), default=1)
    reached = {"", *(event.type for event in events if event.attempt == newest)}
    return next(said for name, said in reversed(_PHASES.items()) if name in reached)
