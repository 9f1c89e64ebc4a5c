"""token-classification as plain data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.data.tables.roles import Role, Shape
from workbench.models.architectures import Head
from workbench.recipe import Data, Recipe
from workbench.recipe.schema import ClassNames, MaxLength, Stride
from workbench.tasks.spec import TaskSpec


class TokenClassificationData(Data):
    """Words and their tags."""

    tokens: str | None = Field(None, description="column of the words, or of the text that spans mark")
    tags: str | None = Field(None, description="column of their tags, or of spans: [start, end, label] and the like")
    sentence: str | None = Field(None, description="column that numbers the sentences, where a row is a word")
    labels: ClassNames = None
    tag_scheme: Literal["bio", "iob1", "iobes", "plain"] | None = Field(
        None, description="how tags spell entities; default: as the tags themselves show"
    )
    tag_subwords: Literal["first", "all"] = Field("first", description="which pieces of a word carry its tag")
    max_length: MaxLength = None
    stride: Stride = None


class TokenClassificationRecipe(Recipe):
    """A recipe for token-classification."""

    task: Literal["token-classification"] = "token-classification"
    data: TokenClassificationData = TokenClassificationData()


SPEC = TaskSpec(
    name="token-classification",
    recipe=TokenClassificationRecipe,
    shapes=(
        Shape(
            "words",
            (
                Role("tokens", ("tokens", "words", "characters", "chars", "token"), texts=False),
                Role("tags", ("ner_tags", "tags", "bio_tags", "labels", "pos_tags", "ner", "label"), texts=False),
            ),
            ("tokens",),
        ),
    ),
    head=Head(
        "AutoModelForTokenClassification",
        "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
        ("ForTokenClassification",),
        "BERT, RoBERTa or DeBERTa",
    ),
    peft_type="TOKEN_CLS",
    new_head=True,
    asks=("text",),
    one_to_one=False,
    code="workbench.tasks.token_classification.task:TASK",
    pipeline="token-classification",
    row_texts="workbench.tasks.token_classification.row_texts:TaggedWords",
)
