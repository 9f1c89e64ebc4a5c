"""Choices that fit together: what a recipe asks of text-classification, and what its kind of label allows.

A recipe is asked before its rows are read, when only `data.problem` says what a label is, and once they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from workbench.core.suggest import nearest
from workbench.core.text import clean
from workbench.recipe.schema import Problem
from workbench.tasks.text_classification.spec import (
    TextClassificationEvaluate,
    TextClassificationRecipe,
    TextClassificationTrain,
)

if TYPE_CHECKING:
    from workbench.data.tables.splits import Splits


def problems(recipe: TextClassificationRecipe, splits: Splits | None) -> list[str]:
    """Every choice that makes no sense, a sentence each; of what the rows hold too, where they are read.

    Raises DataError for labels that cannot be used.
    """
    if splits is None:
        return problems_of_kind(recipe)
    from workbench.data.tables import labels, problem

    kind = problem.of(splits, recipe.data)
    names = labels.classes(dataclasses.replace(splits, notes=[]), recipe.data)
    return problems_of_kind(recipe, kind) + class_problems(recipe, kind, names)


def problems_of_kind(recipe: TextClassificationRecipe, problem: Problem | None = None) -> list[str]:
    """Choices that make no sense together, or for this kind of label. `problem` is what the rows hold, once known."""
    kind = problem or recipe.data.problem
    found = list(_losses(recipe.train))
    if kind == "regression":
        found += _regression(recipe)
    if kind is None or kind == "multi-label":
        found += _thresholds(recipe.evaluate)
    elif recipe.evaluate.thresholds != TextClassificationEvaluate().thresholds:
        found.append(f"evaluate.thresholds: a {kind} model predicts no labels by threshold: leave it out")
    return found


def class_problems(recipe: TextClassificationRecipe, problem: Problem, names: Sequence[str]) -> list[str]:
    """The same of choices that speak of classes, once their names are known."""
    found = []
    asked, weights = recipe.evaluate.thresholds, recipe.train.class_weights
    for name in weights if isinstance(weights, dict) and problem != "regression" else ():
        if name not in names:
            found.append(f"train.class_weights: there is no class '{clean(name)}'{nearest(name, names)}: {_are(names)}")
    if problem == "multi-label" and isinstance(asked, list) and len(asked) != len(names):
        found.append(
            f"evaluate.thresholds: {len(asked)} for {len(names)} labels: give one for all, or one each; {_are(names)}"
        )
    return found


def _are(names: Sequence[str]) -> str:
    return f"they are {', '.join(clean(name) for name in names[:8])}{', …' if len(names) > 8 else ''}"


def _losses(train: TextClassificationTrain) -> Iterator[str]:
    if train.loss == "focal" and train.label_smoothing:
        yield (
            "train.label_smoothing: a smoothed label is never easy, so that focal loss has nothing to pass over: "
            "choose one of the two"
        )
    if isinstance(train.class_weights, dict):
        for name, weight in train.class_weights.items():
            if weight < 0:
                yield f"train.class_weights: {name} = {weight:g} is below 0: a weight is 0 or more"


def _regression(recipe: TextClassificationRecipe) -> Iterator[str]:
    train = recipe.train
    if train.class_weights is not None:
        yield "train.class_weights: a regression has no classes to weigh: leave it out"
    if train.loss != "cross-entropy":
        yield f'train.loss = "{train.loss}": a regression learns by squared error: leave it out'
    if train.label_smoothing:
        yield "train.label_smoothing: a regression has no labels to smooth: leave it out"
    if recipe.data.labels is not None:
        yield "data.labels: a regression has no classes to name: its targets are named as their columns"


def _thresholds(evaluate: TextClassificationEvaluate) -> Iterator[str]:
    asked = evaluate.thresholds
    if asked == "best":
        if evaluate.every == "never":
            yield 'evaluate.thresholds = "best": they are found on validation: set evaluate.every'
        return
    for threshold in asked if isinstance(asked, list) else [asked]:
        assert not isinstance(threshold, str), "the schema takes no other word"
        if not 0 <= threshold <= 1:
            yield f"evaluate.thresholds: {threshold:g} is no probability: use one from 0 to 1"
