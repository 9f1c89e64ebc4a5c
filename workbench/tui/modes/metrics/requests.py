"""What the Metrics pane shows, read from the registry: runs by metrics, and how the current run was evaluated."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from workbench.contracts.events import ClassScores, EvalEvent, SampleEvent
from workbench.core.errors import WorkbenchError
from workbench.display.figures import not_clearly_better
from workbench.display.run_labels import differences
from workbench.metrics import catalog
from workbench.metrics.confusion import Confusion
from workbench.tasks.spec import asked_fields
from workbench.tui.modes.metrics import curve_figures
from workbench.tui.modes.metrics.curve_figures import Curves
from workbench.tui.modes.metrics.evaluation_list import Sample, Scores
from workbench.tui.modes.metrics.metric_table import MetricColumn, MetricRow

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow, Summary
    from workbench.registry.store import Registry

Shown = Literal["best", "last"]

RECENT = 20
_LOOKED_AT = 100


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of one split. `values` are by the bare name of the metric."""

    split: str
    step: int
    epoch: float | None
    values: Mapping[str, float]
    confusion: Confusion | None = None
    classes: tuple[ClassScores, ...] = ()
    predictions: str | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    without_interval: Mapping[str, str] = field(default_factory=dict)
    unclear: str = ""
    curves: Curves | None = None
    rows: int | None = None

    @property
    def main(self) -> tuple[str, ...]:
        """The names of the measures that people ask for first: a few, and the loss."""
        named = [name for name in catalog.headlines(self.values) if name != "loss"]
        return (*named[:3], *(["loss"] if "loss" in self.values else []))

    @property
    def scores(self) -> Scores:
        return Scores(self.step, self.epoch, self.values)


@dataclass(frozen=True)
class EvaluatedRun:
    """The current run and everything it was evaluated by, oldest first."""

    run_id: str
    name: str
    task: str
    state: str
    evaluations: tuple[Evaluation, ...] = ()
    samples: tuple[Sample, ...] = ()
    paired: bool = False  # a row is two texts

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits evaluated, in the order they first were."""
        return tuple(dict.fromkeys(entry.split for entry in self.evaluations))

    def of_split(self, split: str) -> tuple[Evaluation, ...]:
        return tuple(entry for entry in self.evaluations if entry.split == split)

    def shown(self, split: str) -> Evaluation | None:
        """The evaluation of a split whose rows are kept: the newest that wrote predictions, else the newest."""
        found = self.of_split(split)
        return next((entry for entry in reversed(found) if entry.predictions), found[-1] if found else None)


@dataclass(frozen=True)
class MetricsView:
    """Everything on the pane."""

    rows: tuple[MetricRow, ...] = ()
    columns: tuple[MetricColumn, ...] = ()
    evaluated: EvaluatedRun | None = None


@dataclass(frozen=True)
class MetricsRequest:
    """What the pane asks of the feed. Without a current run the newest run with metrics stands for it."""

    current: str | None
    marks: tuple[str, ...] = ()
    split: str | None = None
    shown: Shown = "best"

    def read(self, registry: Registry) -> MetricsView:
        current, others = self._runs(registry)
        if current is None:
            return MetricsView()
        apart = differences((current, *others))
        found = [self._row(run, current, apart, evaluated_on(registry, run)) for run in (current, *others)]
        # Those on the same rows stand together, the current run's first.
        sets = list(dict.fromkeys(tuple(sorted(row.evaluated_on.items())) for row in found))
        rows = tuple(sorted(found, key=lambda row: sets.index(tuple(sorted(row.evaluated_on.items())))))
        keys = {key for row in rows for key in row.values}
        return MetricsView(rows, columns_of(keys, self.split, rows[0].values), evaluated(registry, current))

    def _runs(self, registry: Registry) -> tuple[RunRow | None, list[RunRow]]:
        """The current run, and the marked ones or the newest of its task."""
        current = _find(registry, self.current) if self.current else None
        if self.marks:
            others = [run for id in self.marks if (run := _find(registry, id))]
        else:
            recent = registry.runs(f"task:{current.task}" if current else "", limit=_LOOKED_AT)
            judged_ = [run for run in recent if quality(run.metrics)]
            stands = current or next(iter(judged_), None)
            others = [run for run in judged_ if stands and comparable(run, stands)][:RECENT]
        current = current or next(iter(others), None)
        return current, [run for run in others if current is None or run.id != current.id]

    def _row(self, run: RunRow, current: RunRow, apart: Mapping[str, str], rows: Mapping[str, str]) -> MetricRow:
        return MetricRow(
            run_id=run.id,
            name=run.name,
            state=run.state,
            values={key: self._value(run.metrics[key]) for key in quality(run.metrics)},
            marked=run.id in self.marks,
            current=run.id == current.id,
            apart=apart[run.id] or run.id if run.id in apart else "",
            evaluated_on=rows,
        )

    def _value(self, summary: Summary) -> float:
        return summary.best_or_last if self.shown == "best" else summary.last


def _find(registry: Registry, id: str) -> RunRow | None:
    try:
        return registry.find(id, include_deleted=True)
    except WorkbenchError:
        return None


def comparable(run: RunRow, other: RunRow) -> bool:
    """Whether two runs are evaluated alike: one task, and more than the loss in common, which may be another loss."""
    if run.task != other.task:
        return False
    one, two = set(quality(run.metrics)), set(quality(other.metrics))
    return not two or bool((one & two) - {"eval/loss", "test/loss"}) or not (one | two) - {"eval/loss", "test/loss"}


def quality(keys: Iterable[str]) -> list[str]:
    """The keys that say how good a model is: of an evaluation, and no timing or count."""
    return [key for key in keys if key.startswith(("eval/", "test/")) and catalog.is_metric(key)]


def evaluated_on(registry: Registry, run: RunRow) -> dict[str, str]:
    """What tells the rows apart that a run was evaluated on, by the prefix of their metrics.

    Logs of before do not say it: there it is what the recipe says of the data.
    """
    newest = [event for event in registry.events(run.id, ["eval"], newest=2) if isinstance(event, EvalEvent)]
    asked = json.dumps(run.recipe.get("data"), sort_keys=True)
    return {key.partition("/")[0]: event.rows_digest or asked for event in newest for key in event.scalars}


def columns_of(keys: Iterable[str], split: str | None, current: Container[str] = ()) -> tuple[MetricColumn, ...]:
    """Columns in reading order: first those that the current run has, and of them those of the split on screen."""
    first = "test/" if split == "test" else "eval/"

    def place(key: str) -> tuple[bool, bool, tuple[int, str], str]:
        return key not in current, not key.startswith(first), catalog.rank(key), key

    return tuple(MetricColumn.named(key) for key in sorted(keys, key=place))


def evaluated(registry: Registry, run: RunRow) -> EvaluatedRun:
    """How a run was evaluated, by its eval and sample events."""
    events = registry.events(run.id, ["eval", "sample"])
    return EvaluatedRun(
        run_id=run.id,
        name=run.name,
        task=run.task,
        state=run.state,
        evaluations=tuple(evaluation(event) for event in events if isinstance(event, EvalEvent)),
        samples=tuple(sample(event) for event in events if isinstance(event, SampleEvent)),
        paired=len(asked_fields(run.task, run.recipe.get("data") or {})) > 1,
    )


def evaluation(event: EvalEvent) -> Evaluation:
    """An eval event, its scalars by bare name."""
    confusion = _confusion(event)
    return Evaluation(
        split=event.split,
        step=event.step,
        epoch=event.epoch,
        values={catalog.bare(key): value for key, value in event.scalars.items()},
        confusion=confusion,
        classes=tuple(confusion.report()) if confusion else event.per_class or (),
        predictions=event.predictions,
        intervals=event.intervals or {},
        without_interval=event.without_interval or {},
        unclear=not_clearly_better(event),
        curves=curve_figures.of(event),
        # Of several labels each has a matrix over all rows.
        rows=confusion.total if confusion else sum(map(sum, event.confusions[0])) if event.confusions else None,
    )


def _confusion(event: EvalEvent) -> Confusion | None:
    try:
        return Confusion.parse(event.labels or (), event.confusion or ())
    except ValueError:
        return None


def sample(event: SampleEvent) -> Sample:
    """A sample event."""
    return Sample(event.step or 0, event.prompt, event.text)
