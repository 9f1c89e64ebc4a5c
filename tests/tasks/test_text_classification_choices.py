"""Choices that make no sense together are told, each in a sentence, before and after the rows are known."""

from __future__ import annotations

import pytest

from workbench.core.errors import RecipeError
from workbench.tasks import recipe_union as recipe
from workbench.tasks.text_classification import validation

TEXT = 'name = "x"\ntask = "text-classification"\n[model]\nname = "m"\n[data]\nsource = "s"'


def said(*overrides, problem=None):
    return validation.problems_of_kind(recipe.parse(TEXT, overrides=list(overrides)), problem)


@pytest.mark.parametrize("problem", [None, "single-label", "multi-label", "regression"])
def test_a_plain_recipe_makes_sense_for_every_kind_of_label(problem):
    assert said(problem=problem) == []


@pytest.mark.parametrize(
    "choice", ["train.class_weights=balanced", "train.loss=focal", "train.label_smoothing=0.1", 'data.labels=["a"]']
)
def test_what_is_for_classes_is_not_for_numbers(choice):
    assert said(choice) == said(choice, problem="single-label") == said(choice, problem="multi-label") == []
    (told,) = said(choice, problem="regression")
    assert told.startswith(choice.split("=")[0])
    assert "regression" in told
    # Where the recipe says what a label is, nothing need be read.
    assert said(choice, "data.problem=regression") == [told]


def test_focal_loss_and_smoothing_exclude_each_other():
    assert "choose one" in said("train.loss=focal", "train.label_smoothing=0.1")[0]


def test_thresholds_are_probabilities_of_several_labels():
    assert said("evaluate.thresholds=[0.1, 0.9]", problem="multi-label") == []
    assert "1.5 is no probability" in said("evaluate.thresholds=1.5")[0]
    assert "-0.5 is no probability" in said("evaluate.thresholds=[0.5, -0.5]")[0]
    assert "a single-label model" in said("evaluate.thresholds=0.4", problem="single-label")[0]
    assert "set evaluate.every" in said("evaluate.thresholds=best", "evaluate.every=never")[0]


def test_weights_are_not_below_zero():
    assert said("train.class_weights={a = 0.0, b = 2}") == []
    assert "b = -1 is below 0" in said("train.class_weights={a = 0.0, b = -1}")[0]


def test_choices_that_name_classes_name_those_there_are():
    text = 'name = "x"\ntask = "text-classification"\n[model]\nname = "m"\n[data]\nsource = "s"'
    asked = recipe.parse(text, overrides=["train.class_weights={rare = 5, oftne = 1}", "evaluate.thresholds=[0.5]"])
    weights, thresholds = validation.class_problems(asked, "multi-label", ["often", "rare"])
    assert weights == ("train.class_weights: there is no class 'oftne' (did you mean 'often'?): they are often, rare")
    assert "1 for 2 labels" in thresholds
    assert validation.class_problems(asked, "multi-label", ["oftne"]) != []
    assert validation.class_problems(recipe.parse(text), "single-label", ["often", "rare"]) == []


@pytest.mark.parametrize("choice", ["train.class_weights=balanced", "train.loss=focal", "data.problem=regression"])
def test_other_tasks_do_not_have_them(choice):
    with pytest.raises(RecipeError, match=f"{choice.split('=')[0]} is of text-classification: leave it out"):
        recipe.parse(TEXT.replace("text-classification", "causal-lm"), overrides=[choice])
