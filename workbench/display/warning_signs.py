"""What goes wrong in training while every number is still finite: a sentence each. Pure functions of short series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

from workbench.display.figures import figure

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow

WATCHED: Final = ("train/loss", "train/grad_norm", "eval/loss")
_ENOUGH: Final = 24  # points: the means of fewer are noise


def warning_signs(run: RunRow, means: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    """What there is to be warned of. `means` are the shares of each watched series, in order, at most 32 of each."""
    found = []
    if _logged(run, "train/loss") and (low := _rising(means.get("train/loss", ()))) is not None:
        now = means["train/loss"][-1]
        found.append(f"loss rising: {figure('train/loss', now)}, {figure('train/loss', low)} at its lowest")
    if _logged(run, "train/grad_norm") and (usual := _exploding(means.get("train/grad_norm", ()))) is not None:
        now = means["train/grad_norm"][-1]
        found.append(f"gradient norm exploding: {figure('', now)}, usually {figure('', usual)}")
    return (*found, *_turned(run, means.get("eval/loss", ())))


def _logged(run: RunRow, key: str) -> bool:
    return key in run.metrics and run.metrics[key].count >= _ENOUGH


def _rising(means: Sequence[float]) -> float | None:
    """The lowest mean where the newest ones rise from it by a tenth and more, or stand half as high again.

    What rises by less than a twentieth of all that the loss has moved is not worth a word.
    """
    if len(means) < 8:
        return None
    low, last = min(means), means[-4:]
    rise = min(last[-2:]) - low
    if rise <= 0.05 * (max(means) - low):
        return None
    climbs = all(one < other for one, other in pairwise(last)) and last[-1] - low > 0.1 * abs(low)
    return low if climbs or rise > 0.5 * abs(low) else None


def _exploding(means: Sequence[float]) -> float | None:
    """The usual norm where the newest are ten times as large: those of the first steps are no measure."""
    if len(means) < 8:
        return None
    usual = median(means[:-2])
    return usual if min(means[-2:]) > 10 * usual > 0 else None


def _turned(run: RunRow, means: Sequence[float]) -> tuple[str, ...]:
    """Evaluation loss past its lowest: by a fiftieth in two evaluations or more, or by a tenth in one."""
    summary = run.metrics.get("eval/loss")
    if summary is None or summary.min is None or len(means) < 2 or summary.last_step <= summary.step:
        return ()
    since = len(means) - 1 - min(range(len(means)), key=means.__getitem__)
    if summary.last - summary.min <= abs(summary.min) * (0.02 if since > 1 else 0.1):
        return ()
    now, best = figure("eval/loss", summary.last), figure("eval/loss", summary.min)
    return (f"evaluation loss turning: {now}, was {best} at step {summary.step:,}",)
