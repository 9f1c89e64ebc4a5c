"""Which metrics each task has, and which way of each is better. Plain data, so that a check costs no import."""

from __future__ import annotations

from typing import Final, Literal

from workbench.errors import BadInput
from workbench.nearest import nearest
from workbench.text import clean

Direction = Literal["max", "min"]

METRICS: Final[dict[str, dict[str, Direction]]] = {
    "text-classification": {
        "loss": "min",
        "accuracy": "max",
        "precision": "max",
        "precision_macro": "max",
        "precision_micro": "max",
        "precision_weighted": "max",
        "recall": "max",
        "recall_macro": "max",
        "recall_micro": "max",
        "recall_weighted": "max",
        "specificity": "max",
        "f1": "max",
        "f1_macro": "max",
        "f1_micro": "max",
        "f1_weighted": "max",
        "mcc": "max",
        "roc_auc": "max",
        "pr_auc": "max",
        "log_loss": "min",
    },
    "causal-lm": {
        "loss": "min",
        "perplexity": "min",
        "bits_per_byte": "min",
        "token_accuracy": "max",
    },
}

# What chooses the checkpoint where the recipe does not say.
BEST: Final[dict[str, str]] = {"text-classification": "accuracy", "causal-lm": "loss"}


def direction(task: str, metric: str) -> Direction | None:
    """Which way of the metric is better; None where the task has no such metric. `eval/` before it is passed over."""
    return METRICS[task].get(metric.removeprefix("eval/"))


def find(task: str, metric: str, *, where: str = "evaluate.best") -> tuple[str, Direction]:
    """The metric's bare name, and which way of it is better. Raises BadInput that names the nearest where none is."""
    name = metric.removeprefix("eval/")
    if name in METRICS[task]:
        return name, METRICS[task][name]
    raise BadInput(
        f"{task} has no metric '{clean(name)}'{nearest(name, METRICS[task])}",
        where=where,
        mend=f"use one of {', '.join(METRICS[task])}",
    )
