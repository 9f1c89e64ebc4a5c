"""What a recipe asks for that can have no effect in a run of its length: said before it starts, and in its log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workbench.metrics import catalog
from workbench.recipe import Recipe
from workbench.train.best import Rule
from workbench.train.rhythm import Rhythm, warmup_steps


def futile(recipe: Recipe, rhythm: Rhythm, rule: Rule, labels: Mapping[str, int] | None = None) -> list[str]:
    """A sentence for each. `labels` are the classes of the validation rows with their counts; None where none are."""
    return [*_of_warmup(recipe, rhythm), *_of_evaluation(recipe, rhythm), *_of_stopping(recipe, rhythm, rule, labels)]


def _of_warmup(recipe: Recipe, rhythm: Rhythm) -> Iterator[str]:
    train = recipe.train
    warmup = warmup_steps(train, rhythm.total)
    if warmup >= rhythm.total > 0 and train.schedule != "reduce_lr_on_plateau":
        reached = train.learning_rate * max(rhythm.total - 1, 0) / warmup
        yield (
            f"train.warmup_steps: a warm-up of {warmup:,} steps in a run of {rhythm.total:,}: the learning rate ends "
            f"at {reached:.2g} and never reaches {train.learning_rate:g}: use fewer steps, or train.warmup_ratio = 0.1"
        )


def _of_evaluation(recipe: Recipe, rhythm: Rhythm) -> Iterator[str]:
    asked = recipe.evaluate
    if not rhythm.evaluate_every:
        if asked.every != "never" and (asked.best is not None or recipe.train.early_stopping_patience is not None):
            yield "evaluate: there are no rows to evaluate on, and no metric chooses a checkpoint: set data.validation"
    elif isinstance(asked.every, int) and asked.every > rhythm.total:
        yield (
            f"evaluate.every = {asked.every:,} is beyond the {rhythm.total:,} steps of the run: "
            "it is evaluated once, at its end: use fewer steps"
        )


def _of_stopping(recipe: Recipe, rhythm: Rhythm, rule: Rule, labels: Mapping[str, int] | None) -> Iterator[str]:
    if not rhythm.evaluate_every or rule.metric is None:
        return
    evaluations = -(-rhythm.total // rhythm.evaluate_every)
    if rule.patience is not None and rule.patience + 1 >= evaluations:
        yield (
            f"train.early_stopping_patience = {rule.patience}: the run has {evaluations:,} "
            f"{'evaluation' if evaluations == 1 else 'evaluations'}, too few to stop before its end: "
            "lower it, or evaluate.every"
        )
    metric = catalog.named(rule.metric)
    if metric is not None and metric.scale.bounded and rule.threshold >= metric.scale.high - metric.scale.low:
        yield (
            f"train.early_stopping_threshold = {rule.threshold:g}: {metric.title} goes from {metric.scale.low:g} to "
            f"{metric.scale.high:g} and can never gain so much: use a smaller one"
        )
    there = [name for name, count in (labels or {}).items() if count]
    if len(there) == 1 and rule.metric != "loss":
        yield (
            f"evaluate.best: every validation row is {there[0]!r}, so that {rule.metric} says nothing of the other "
            "classes: take rows of each into data.validation"
        )
