"""A run's events in words, for the foot of Live: what is trained, and what has happened last. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from workbench.contracts.events import (
    CheckpointEvent,
    EvalEvent,
    Event,
    PlanEvent,
    ResumedEvent,
    SampleEvent,
    StoppingEvent,
)
from workbench.core.text import clean, cut
from workbench.display.figures import figure, not_clearly_better
from workbench.metrics import catalog

TYPES: Final = ("eval", "checkpoint", "sample", "resumed", "stopping")
_MOST_NAMED: Final = 3


def trained(plan: PlanEvent) -> str:
    """`22.9M weights, 98,690 trained (0.4%), new: classifier.bias · cpu, bf16`; empty where the plan says nothing."""
    if plan.parameters is None or plan.trainable is None:
        return ""
    said = f"{amount(plan.parameters)} weights, {_share(plan.parameters, plan.trainable)}{_new(plan.new_weights)}"
    where = ", ".join(clean(name) for name in (plan.device, plan.precision) if name)
    return f"{said} · {where}" if where else said


def _share(parameters: int, trainable: int) -> str:
    if trainable == parameters:
        return "all trained"
    return f"{amount(trainable)} trained ({100 * trainable / max(1, parameters):.2g}%)"


def _new(names: Sequence[str]) -> str:
    named = [clean(name) for name in names]
    if not named:
        return ""
    if named == ["*"]:
        return ", all new"
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f", new: {', '.join(named[:_MOST_NAMED])}{more}"


def amount(count: int) -> str:
    """A number of weights: exact below a million, then in millions and billions."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.2f}B"
    return f"{count / 1e6:.1f}M" if count >= 1_000_000 else f"{count:,}"


def told(event: Event, best: str | None) -> str:
    """One event in a line, empty where it says nothing. `best` is the metric that the run is evaluated by."""
    step = getattr(event, "step", None)
    at = "" if step is None else f"step {step}  "
    match event:
        case EvalEvent():
            weak = not_clearly_better(event, best)
            return f"{at}{clean(event.split)}: {_scores(event, best)}{weak and f' · {weak}'}"
        case CheckpointEvent():
            weight = "" if event.bytes is None else f", {event.bytes / 1e6:,.1f} MB"
            return f"{at}checkpoint{weight}{', the best so far' if event.best else ''}"
        case SampleEvent():
            prompt, text = (clean(cut(said, 400)) for said in (event.prompt, event.text))
            return f"{at}wrote: {prompt}▸{text}"
        case ResumedEvent():
            return f"resumed from step {event.step}"
        case StoppingEvent():  # both logs tell of a stop; one of them knows why
            return f"stopping: {clean(event.reason)}" if event.reason else ""
    return ""


def _scores(event: EvalEvent, best: str | None) -> str:
    """The measure the run is evaluated by, else one that is no loss, and the loss, by bare name."""
    wanted = (best or "").partition("/")[2]
    scalars = {key.partition("/")[2]: value for key, value in event.scalars.items()}
    quality = [name for name in scalars if name != "loss" and catalog.is_metric(name)]
    first = wanted if wanted in scalars else next(iter(quality), "loss")
    names = dict.fromkeys((first, *(["loss"] if "loss" in scalars else [])))
    return "  ".join(f"{clean(name)} {figure(name, scalars[name])}" for name in names if name in scalars)
