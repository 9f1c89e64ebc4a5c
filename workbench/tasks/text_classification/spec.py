"""text-classification as plain data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workbench.data.tables.roles import LABEL, TEXT, Role, Shape
from workbench.models.architectures import Head
from workbench.recipe import Data, Evaluate, Recipe, Train
from workbench.recipe.schema import ClassNames, LabelSmoothing, MaxLength, TextColumn, TextOf
from workbench.tasks.spec import TaskSpec


class TextClassificationData(Data):
    """Texts, or pairs of them, and their labels."""

    text: TextColumn = None
    text_pair: TextOf = Field(None, description="column of a second text, for sentence pairs; several likewise")
    label: str | list[str] | None = Field(
        None, description="column of the label, recognised likewise; several columns are several labels or targets"
    )
    label_separator: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="what stands between several labels in one cell, such as |; printed lists need none",
    )
    labels: ClassNames = None
    problem: Literal["single-label", "multi-label", "regression"] | None = Field(
        None, description="what a label is; default: as the column's type says"
    )
    max_length: MaxLength = None


class TextClassificationTrain(Train):
    """The loss of a classifier."""

    loss: Literal["cross-entropy", "focal"] = Field(
        "cross-entropy", description="focal (Lin et al. 2017) gives hard rows more weight"
    )
    focal_gamma: float = Field(2.0, ge=0, description="focusing parameter γ of focal loss; 0 is cross entropy")
    label_smoothing: LabelSmoothing = 0.0
    class_weights: Literal["balanced"] | dict[str, float] | None = Field(
        None, description="weight of each class in the loss by name; balanced: the rarer, the heavier"
    )


class TextClassificationEvaluate(Evaluate):
    """From which probability a label is predicted."""

    thresholds: float | list[float] | Literal["best"] = Field(
        0.5, description="multi-label: the probability from which a label is predicted, one for all or one a label"
    )


class TextClassificationRecipe(Recipe):
    """A recipe for text-classification."""

    task: Literal["text-classification"] = "text-classification"
    data: TextClassificationData = TextClassificationData()
    train: TextClassificationTrain = TextClassificationTrain()
    evaluate: TextClassificationEvaluate = TextClassificationEvaluate()


_PAIR = (
    Role("text", ("sentence1", "premise", "question1", "text_a", "text1")),
    Role("text_pair", ("sentence2", "hypothesis", "question2", "text_b", "text2")),
)

SPEC = TaskSpec(
    name="text-classification",
    recipe=TextClassificationRecipe,
    shapes=(
        Shape("pair", (*_PAIR, LABEL), ("text", "text_pair")),
        Shape("text", (TEXT, LABEL), ("text",)),
    ),
    head=Head(
        "AutoModelForSequenceClassification",
        "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
        ("ForSequenceClassification",),
        "BERT, RoBERTa or DeBERTa",
    ),
    peft_type="SEQ_CLS",
    new_head=True,
    asks=("text",),
    may_ask=("text_pair",),
    code="workbench.tasks.text_classification.task:TASK",
    pipeline="text-classification",
    choices="workbench.tasks.text_classification.validation:problems",
)
