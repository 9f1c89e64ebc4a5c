"""What is said of two runs over the same rows."""

from __future__ import annotations

from workbench.contracts.lab.prediction_requests import RunComparison


def sentence(found: RunComparison) -> str:
    """A comparison in a line."""
    change, difference = found.change, found.difference
    interval = f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
    if change is None:
        return f"score {interval}, p {probability(difference.p)}"
    changes = f"fixed {change.fixed}, broke {change.broke}, McNemar p {probability(change.p)}"
    return f"{changes} · accuracy {interval}"


def probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
