"""How the value of a metric is written, wherever it is: as its scale in the catalog asks, so that columns line up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from workbench.core.series import format_number
from workbench.metrics import catalog

if TYPE_CHECKING:
    from workbench.contracts.events import EvalEvent
    from workbench.registry.snapshots import RunRow

_SMALL: Final = 1e-3  # below this, and from `_LARGE` on, a fixed number of decimals says too little or too much
_LARGE: Final = 1e6


def figure(key: str, value: float | None) -> str:
    """A value in at most nine cells: `0.8976`, BLEU `34.52`, perplexity `1938.2`. What is no metric as any number."""
    metric = catalog.find(key)
    if metric is None or value is None or not math.isfinite(value):
        return format_number(value)
    return _fixed(value, metric.scale.decimals)


def _fixed(value: float, decimals: int) -> str:
    size = abs(value)
    if size and (size < _SMALL or size >= _LARGE):
        return f"{value:.2e}"
    return f"{value:.{decimals}f}" if size < 100 else f"{value:.1f}"


def difference(key: str, value: float | None, other: float | None) -> str:
    """`value - other`, signed; nothing where either is missing or not finite."""
    if value is None or other is None or not (math.isfinite(value) and math.isfinite(other)):
        return ""
    text = figure(key, value - other)
    return text if text.startswith("-") else f"+{text}"


def interval(key: str, low: float, high: float) -> str:
    """`[0.710, 0.930]`: one decimal fewer than the figure has, since the ends are no surer."""
    metric = catalog.find(key)
    ends = [format_number(end) if metric is None else _fixed(end, metric.scale.decimals - 1) for end in (low, high)]
    return f"[{', '.join(ends)}]"


def unclear(
    scalars: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
    baselines: Mapping[str, Mapping[str, float]],
    best: str | None = None,
) -> str:
    """A sentence where what an evaluation is known by is not clearly better than without a model, else "".

    Names carry no split. `best` is the metric that chooses; without it the first headline tells.
    """
    name = catalog.bare(best) if best and catalog.bare(best) in scalars else next(iter(catalog.headlines(scalars)), "")
    way, known = catalog.direction(name), {of: one[name] for of, one in baselines.items() if name in one}
    if not known or way is None:
        return ""
    most = max if way == "max" else min
    rival = most(known, key=lambda of: known[of])
    low, high = intervals.get(name, (scalars[name], scalars[name]))
    if low > known[rival] if way == "max" else high < known[rival]:
        return ""
    told, other = figure(name, scalars[name]), figure(name, known[rival])
    return f"{catalog.title(name)} {told} is not clearly better than the baseline '{rival}' ({other})"


def not_clearly_better(event: EvalEvent, best: str | None = None) -> str:
    """`unclear` of an evaluation."""
    scalars = {catalog.bare(key): value for key, value in event.scalars.items()}
    return unclear(scalars, event.intervals or {}, event.baselines or {}, best)


def headline_key(row: RunRow) -> str | None:
    """The one metric a run is known by in a list: what chooses its checkpoint, else the first headline it has.

    None before the first evaluation.
    """
    evaluated = catalog.headlines(key for key in row.metrics if key.startswith("eval/"))
    return next((key for key in (row.best_key or "", *evaluated) if key in row.metrics), None)


def headline(row: RunRow) -> str:
    """That metric with its value at the checkpoint that the run keeps; empty before the first evaluation."""
    key = headline_key(row)
    return "" if key is None else f"{catalog.bare(key)} {figure(key, row.metrics[key].best_or_last)}"
