"""What a recipe asks for that cannot have an effect is said by the check, and by the run when it starts."""

import pytest

from workbench.core.home import Home
from workbench.tasks import recipe_union
from workbench.tasks.experiment import Experiment
from workbench.train import check
from workbench.train.best import Rule
from workbench.train.futile import futile
from workbench.train.rhythm import Rhythm

TEXT = (
    'name = "r"\ntask = "text-classification"\n[model]\nname = "builtin:minilm"\n[data]\nsource = "builtin:reviews"\n'
)


def told(*overrides: str, total: int = 30, evaluated: bool = True, labels: dict[str, int] | None = None) -> list[str]:
    recipe = recipe_union.parse(TEXT, overrides=list(overrides))
    train, rhythm = recipe.train, Rhythm.of(recipe, per_epoch=10, total=total, evaluated=evaluated)
    rule = Rule("accuracy", "max", train.early_stopping_patience, train.early_stopping_threshold)
    return futile(recipe, rhythm, rule, labels)


def test_a_usual_recipe_says_nothing():
    assert told() == []
    assert told("train.warmup_ratio=0.1", "train.early_stopping_patience=1", labels={"a": 3, "b": 1}) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("train.warmup_steps=30", "a warm-up of 30 steps in a run of 30: .* ends at 4.8e-05 and never reaches 5e-05"),
        ("train.warmup_steps=500", "500 steps in a run of 30"),
        ("evaluate.every=31", "evaluate.every = 31 is beyond the 30 steps"),
        ("train.early_stopping_patience=2", "patience = 2: the run has 3 evaluations, too few"),
        ("train.early_stopping_threshold=1.0", "accuracy goes from 0 to 1 and can never gain so much"),
    ],
)
def test_what_cannot_happen_in_so_many_steps_is_said(asked, said):
    (sentence,) = told(asked)
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(sentence)


def test_each_is_silent_just_within_its_bound():
    assert told("train.warmup_steps=29") == told("evaluate.every=30") == told("train.early_stopping_patience=1") == []
    assert told("train.early_stopping_threshold=0.99") == []


def test_validation_rows_that_are_missing_or_of_one_class_are_said():
    (sentence,) = told("train.early_stopping_patience=1", evaluated=False)
    assert "no rows to evaluate on" in sentence
    (sentence,) = told(labels={"a": 0, "b": 7})
    assert "every validation row is 'b'" in sentence
    assert told(evaluated=False) == []


def test_the_check_and_the_run_say_the_same(tmp_path, runs, logged):
    experiment = Experiment.read(TEXT, ["data.subset.rows=40", "train.max_steps=5", "train.warmup_steps=9"])
    (sentence,) = [said for said in check.check(experiment, Home(tmp_path)).data.warnings if "warm-up" in said]
    run = runs.make("vain", "train.max_steps=5", "train.warmup_steps=9", "train.learning_rate=5e-5")
    runs.train(run)
    assert sentence in [event.text for event in logged(run, "warning")]
