"""What no model reaches by reading: the commonest class, classes drawn as often as in train, the mean of train.

Figures of drawn classes are what is to be expected of them, and no one draw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.interface import Baselines
from workbench.tasks.text_classification.data import PreparedTexts

Shares = NDArray[np.float64]


def baselines(prepared: PreparedTexts, split: str) -> Baselines:
    """By name the figures of each on a split, by the bare names of metrics."""
    if prepared.own.scale is not None:
        return _mean(prepared, split)
    train, truth = (prepared.rows[name].labels for name in ("train", split))
    assert train is not None
    assert truth is not None
    if prepared.own.problem == "multi-label":
        return _of_label_sets(train.astype(bool), truth.astype(bool))
    classes = len(prepared.labels)
    prior = np.bincount(train.astype(np.int64), minlength=classes) / len(train)
    gold = np.bincount(truth.astype(np.int64), minlength=classes).astype(np.float64)
    commonest = (np.arange(classes) == prior.argmax()).astype(np.float64)
    return {"majority": _of_classes(commonest, gold), "random": _of_classes(prior, gold)}


def _of_classes(predicted: Shares, gold: Shares) -> dict[str, float]:
    """Each class predicted for its share of the rows, whatever they are."""
    hits, rows = predicted * gold, float(gold.sum())
    accuracy = float(hits.sum() / rows)
    plain = 1 if len(gold) == 2 else None
    figures = _averages(hits, predicted * rows, gold, plain, every=False)
    micro = {f"{name}_micro": accuracy for name in ("precision", "recall", "f1")}
    return {"accuracy": accuracy, "mcc": 0.0, "roc_auc": 0.5, **figures, **micro}


def _averages(hits: Shares, predicted: Shares, gold: Shares, plain: int | None, *, every: bool) -> dict[str, float]:
    from workbench.metrics.intervals import CLASS_RATIOS, class_mean, class_ratio

    found: dict[str, float] = {}
    for name in CLASS_RATIOS:
        means = {end: class_mean(name, hits, predicted, gold, weighted=end == "weighted", every=every) for end in _ENDS}
        found |= {f"{name}_{end}": float(np.nan_to_num(value)) for end, value in means.items()}
        one = class_ratio(name, hits, predicted, gold)
        found[name] = found[f"{name}_macro"] if plain is None else float(one[plain])
    return found


_ENDS = ("macro", "weighted")


def _of_label_sets(train: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Baselines:
    prior, rows = train.mean(axis=0), len(truth)
    commonest = (prior >= 0.5).astype(np.float64)
    return {
        "majority" if commonest.any() else "no label": _of_labels(commonest, truth, rows),
        "random": _of_labels(prior, truth, rows),
    }


def _of_labels(shares: Shares, truth: NDArray[np.bool_], rows: int) -> dict[str, float]:
    from workbench.metrics.intervals import CLASS_RATIOS, class_ratio

    gold = truth.sum(axis=0).astype(np.float64)
    hits, predicted = shares * gold, shares * rows
    right = np.where(truth, shares, 1 - shares)
    totals = [np.atleast_1d(side.sum()) for side in (hits, predicted, gold)]
    micro = {name: float(class_ratio(name, *totals)[0]) for name in CLASS_RATIOS}
    whole = {"accuracy": float(right.prod(axis=1).mean()), "hamming_loss": float(1 - right.mean()), "roc_auc": 0.5}
    return _averages(hits, predicted, gold, None, every=True) | micro | whole


def _mean(prepared: PreparedTexts, split: str) -> Baselines:
    from workbench.data.tables import targets
    from workbench.metrics.regression import measures

    train, truth = (targets.numbers(prepared.splits, name) for name in ("train", split))
    each = [measures(np.full(len(truth), column.mean()), of) for column, of in zip(train.T, truth.T, strict=True)]
    found: dict[str, float] = {}
    for name in ("mse", "mae", "rmse", "r2"):
        known = [value for one in each if (value := one[name]) is not None]
        found |= {name: float(np.mean(known))} if known else {}
    return {"mean of train": found}
