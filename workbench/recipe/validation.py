"""Choices that fit together: what a recipe asks of text-classification, and what its kind of label allows.

A recipe is asked before its rows are read, when only `data.problem` says what a label is, and once they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from workbench.core.suggest import nearest
from workbench.core.text import clean
from workbench.recipe.schema import Evaluate, Recipe, Train

# What a label is; of words, tags that spell no entities.
Problem = Literal["single-label", "multi-label", "regression", "plain-tags"]

_TASK: Final = "text-classification"
# Fields that this task reads and few others, and what they are where nobody asks for them.
_ITS_OWN: Final = {"train.loss": "cross-entropy", "train.label_smoothing": 0.0, "train.class_weights": None}
_SHARED: Final = {("seq2seq", "train.label_smoothing")}


def problems(recipe: Recipe, problem: Problem | None = None) -> list[str]:
    """Every choice that makes no sense, a sentence each. `problem` is what the rows hold, once that is known."""
    if recipe.task != _TASK:
        return list(_not_its_task(recipe))
    kind = problem or recipe.data.problem
    found = list(_losses(recipe.train))
    if kind == "regression":
        found += _regression(recipe)
    if kind is None or kind == "multi-label":
        found += _thresholds(recipe.evaluate)
    elif recipe.evaluate.thresholds != Evaluate().thresholds:
        found.append(f"evaluate.thresholds: a {kind} model calls no labels by threshold: leave it out")
    return found


def class_problems(recipe: Recipe, problem: Problem, names: Sequence[str]) -> list[str]:
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


def _not_its_task(recipe: Recipe) -> Iterator[str]:
    for field, usual in _ITS_OWN.items():
        if (recipe.task, field) not in _SHARED and getattr(recipe.train, field.removeprefix("train.")) != usual:
            yield f"{field}: {recipe.task} has no use for it: leave it out"
    if recipe.data.problem is not None:
        yield f"data.problem: {recipe.task} has no use for it: leave it out"


def _losses(train: Train) -> Iterator[str]:
    if train.loss == "focal" and train.label_smoothing:
        yield (
            "train.label_smoothing: a smoothed label is never easy, so that focal loss has nothing to pass over: "
            "choose one of the two"
        )
    if isinstance(train.class_weights, dict):
        for name, weight in train.class_weights.items():
            if weight < 0:
                yield f"train.class_weights: {name} = {weight:g} is below 0: a weight is 0 or more"


def _regression(recipe: Recipe) -> Iterator[str]:
    train = recipe.train
    if train.class_weights is not None:
        yield "train.class_weights: a regression has no classes to weigh: leave it out"
    if train.loss != "cross-entropy":
        yield f'train.loss = "{train.loss}": a regression learns by squared error: leave it out'
    if train.label_smoothing:
        yield "train.label_smoothing: a regression has no labels to smooth: leave it out"
    if recipe.data.labels is not None:
        yield "data.labels: a regression has no classes to name: its targets are called as their columns"


def _thresholds(evaluate: Evaluate) -> Iterator[str]:
    asked = evaluate.thresholds
    if asked == "best":
        if evaluate.every == "never":
            yield 'evaluate.thresholds = "best": they are found on validation: set evaluate.every'
        return
    for threshold in asked if isinstance(asked, list) else [asked]:
        assert not isinstance(threshold, str), "the schema takes no other word"
        if not 0 <= threshold <= 1:
            yield f"evaluate.thresholds: {threshold:g} is no probability: use one from 0 to 1"
