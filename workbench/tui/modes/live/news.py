"""A run's events in words, for the foot of Live: what is trained, and what has happened last. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from workbench.core.text import clean, cut
from workbench.display.figures import figure
from workbench.metrics import catalog

if TYPE_CHECKING:
    from workbench.contracts.events import Event

TYPES: Final = ("eval", "checkpoint", "sample", "resumed", "stopping")
_MOST_NAMED: Final = 3


def trained(plan: Mapping[str, Any]) -> str:
    """`22.9M weights, 98,690 trained (0.4%), new: classifier.bias · cpu, bf16`; empty where the plan says nothing."""
    try:
        parameters, trainable = int(plan["parameters"]), int(plan["trainable"])
    except (KeyError, TypeError, ValueError):
        return ""
    said = f"{amount(parameters)} weights, {_share(parameters, trainable)}{_new(plan.get('new_weights') or ())}"
    where = ", ".join(clean(str(plan[name])) for name in ("device", "precision") if plan.get(name))
    return f"{said} · {where}" if where else said


def _share(parameters: int, trainable: int) -> str:
    if trainable == parameters:
        return "all trained"
    return f"{amount(trainable)} trained ({100 * trainable / max(1, parameters):.2g}%)"


def _new(names: Sequence[Any]) -> str:
    named = [clean(str(name)) for name in names]
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
    """One event in a line, empty where it says nothing. `best` is the metric that the run is judged by."""
    fields = event.fields
    step = f"step {fields['step']}  " if fields.get("step") is not None else ""
    match event.type:
        case "eval":
            return f"{step}{clean(str(fields.get('split', 'validation')))}: {_scores(event, best)}"
        case "checkpoint":
            size = fields.get("bytes")
            weight = f", {size / 1e6:,.1f} MB" if isinstance(size, (int, float)) else ""
            return f"{step}checkpoint{weight}{', the best so far' if fields.get('best') else ''}"
        case "sample":
            prompt, text = (clean(cut(str(fields.get(name, "")), 400)) for name in ("prompt", "text"))
            return f"{step}wrote: {prompt}▸{text}"
        case "resumed":
            return f"resumed from step {fields.get('step', 0)}"
        case _:  # both logs tell of a stop; one of them knows why
            return f"stopping: {clean(str(fields['reason']))}" if fields.get("reason") else ""


def _scores(event: Event, best: str | None) -> str:
    """The measure the run is judged by, else one that is no loss, and the loss, by bare name."""
    wanted = (best or "").partition("/")[2]
    scalars = {key.partition("/")[2]: value for key, value in event.scalars.items()}
    quality = [name for name in scalars if name != "loss" and catalog.is_metric(name)]
    first = wanted if wanted in scalars else next(iter(quality), "loss")
    names = dict.fromkeys((first, *(["loss"] if "loss" in scalars else [])))
    return "  ".join(f"{clean(name)} {figure(name, scalars[name])}" for name in names if name in scalars)
