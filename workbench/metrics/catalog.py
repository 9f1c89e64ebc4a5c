"""Which metrics each task has, and which way of each is better. Plain data, so that a check costs no import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from workbench.core.errors import BadInput
from workbench.core.suggest import nearest
from workbench.core.text import clean
from workbench.recipe.schema import Problem

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
        "ece": "min",
        "precision_samples": "max",
        "recall_samples": "max",
        "f1_samples": "max",
        "hamming_loss": "min",
        "mse": "min",
        "rmse": "min",
        "mae": "min",
        "r2": "max",
        "pearson": "max",
        "spearman": "max",
    },
    "token-classification": {
        "loss": "min",
        "precision": "max",
        "recall": "max",
        "f1": "max",
        "f1_macro": "max",
        "token_accuracy": "max",
        "recall_all": "max",
        "f1_all": "max",
    },
    "question-answering": {
        "loss": "min",
        "exact_match": "max",
        "f1": "max",
        "exact_match_has_answer": "max",
        "f1_has_answer": "max",
        "exact_match_no_answer": "max",
        "f1_no_answer": "max",
        "best_f1": "max",
        "best_f1_threshold": "max",
    },
    "seq2seq": {
        "loss": "min",
        "rouge1": "max",
        "rouge2": "max",
        "rougeL": "max",
        "rougeLsum": "max",
        "bleu": "max",
        "chrf": "max",
        "exact_match": "max",
        "length": "max",
        "length_ratio": "max",
    },
    "masked-lm": {
        "loss": "min",
        "masked_accuracy": "max",
        "pseudo_perplexity": "min",
    },
    "causal-lm": {
        "loss": "min",
        "perplexity": "min",
        "bits_per_byte": "min",
        "token_accuracy": "max",
    },
}

# What chooses the checkpoint where the recipe does not say.
BEST: Final[dict[str, str]] = {
    "text-classification": "accuracy",
    "token-classification": "f1",
    "question-answering": "f1",
    "seq2seq": "loss",
    "causal-lm": "loss",
    "masked-lm": "loss",
}


# What is shown first where the recipe does not say.
_FIRST: Final[dict[str, tuple[str, ...]]] = {
    "text-classification": ("accuracy", "f1", "f1_macro", "precision", "recall", "mse", "r2", "pearson", "spearman"),
    "token-classification": ("f1", "precision", "recall", "f1_all", "token_accuracy"),
    "question-answering": ("exact_match", "f1"),
    "seq2seq": ("bleu", "chrf", "rouge1", "rouge2", "rougeL"),
    "causal-lm": ("perplexity",),
    "masked-lm": ("masked_accuracy",),
}

# Other kinds of label have other metrics.
_OF_NUMBERS: Final = frozenset({"mse", "rmse", "mae", "r2", "pearson", "spearman"})
_OF_SEVERAL: Final = frozenset({"precision_samples", "recall_samples", "f1_samples", "hamming_loss"})
_OF_ONE: Final = frozenset({"precision_micro", "recall_micro", "f1_micro", "specificity", "mcc", "ece"})
_OF_PLAIN_TAGS: Final = frozenset({"loss", "token_accuracy"})
_BEST_OF: Final[dict[Problem, str]] = {
    "single-label": "accuracy",
    "multi-label": "f1",
    "regression": "mse",
    "plain-tags": "token_accuracy",
}


def best(task: str, problem: Problem | None = None) -> str:
    """What chooses the checkpoint where the recipe does not say. `problem` is what a label is, where that is known."""
    return BEST[task] if problem is None else _BEST_OF[problem]


def known(task: str, problem: Problem | None = None) -> dict[str, Direction]:
    """The metrics a task has, for that kind of label where it is known; and which way of each is better."""
    there = METRICS[task]
    if problem == "regression":
        return {name: way for name, way in there.items() if name in _OF_NUMBERS or name == "loss"}
    if problem == "plain-tags":
        return {name: way for name, way in there.items() if name in _OF_PLAIN_TAGS}
    others: dict[Problem | None, frozenset[str]] = {
        None: frozenset(),
        "single-label": _OF_NUMBERS | _OF_SEVERAL,
        "multi-label": _OF_NUMBERS | _OF_ONE,
    }
    return {name: way for name, way in there.items() if name not in others[problem]}


def ordered(task: str, names: Iterable[str], asked: Iterable[str] = ()) -> list[str]:
    """The names as they are shown: the loss, what is asked for, what people look at first, and then the rest."""
    there = list(names)
    first = ["loss", *(name.removeprefix("eval/") for name in asked), *_FIRST[task]]
    return list(dict.fromkeys([*(name for name in first if name in there), *there]))


def direction(task: str, metric: str) -> Direction | None:
    """Which way of the metric is better; None where the task has no such metric. `eval/` before it is passed over."""
    return METRICS[task].get(metric.removeprefix("eval/"))


def find(
    task: str, metric: str, *, where: str = "evaluate.best", problem: Problem | None = None
) -> tuple[str, Direction]:
    """The metric's bare name, and which way of it is better. Raises BadInput that names the nearest where none is."""
    name, there = metric.removeprefix("eval/"), known(task, problem)
    if name in there:
        return name, there[name]
    raise BadInput(
        f"{problem or task} has no metric '{clean(name)}'{nearest(name, there)}",
        where=where,
        mend=f"use one of {', '.join(there)}",
    )
