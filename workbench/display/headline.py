"""The one metric a run is known by in a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow

# Where no evaluation chose a checkpoint: what people ask for first.
ORDER: Final = (
    "eval/accuracy", "eval/f1", "eval/exact_match", "eval/rougeL", "eval/bleu", "eval/masked_accuracy", "eval/spearman",
    "eval/perplexity", "eval/loss",
)  # fmt: skip


def headline_key(row: RunRow) -> str | None:
    """What chooses the run's checkpoint, else the first there is of `ORDER`; None before the first evaluation."""
    return next((key for key in (row.best_key or "", *ORDER) if key in row.metrics), None)
