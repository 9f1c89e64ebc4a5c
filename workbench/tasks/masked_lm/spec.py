"""masked-lm as plain data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.data.tables.roles import TEXT, Shape
from workbench.models.architectures import Head
from workbench.recipe import Data, Recipe, Train
from workbench.recipe.schema import BlockSize, TextColumn
from workbench.tasks.spec import Length, TaskSpec


class MaskedLMData(Data):
    """Plain text."""

    text: TextColumn = None
    block_size: BlockSize = None


class MaskedLMTrain(Train):
    """Which tokens are masked."""

    mask_probability: float = Field(0.15, gt=0, lt=1, description="share of the tokens to predict")
    whole_words: bool = Field(False, description="mask all pieces of a word or none")


class MaskedLMRecipe(Recipe):
    """A recipe for masked-lm."""

    task: Literal["masked-lm"] = "masked-lm"
    data: MaskedLMData = MaskedLMData()
    train: MaskedLMTrain = MaskedLMTrain()


SPEC = TaskSpec(
    name="masked-lm",
    recipe=MaskedLMRecipe,
    shapes=(Shape("text", (TEXT,), ("text",), blocks="documents"),),
    head=Head(
        "AutoModelForMaskedLM",
        "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
        ("ForMaskedLM",),
        "BERT, RoBERTa or DeBERTa",
    ),
    peft_type=None,
    asks=("text",),
    lengths=(Length("block_size"),),
    one_to_one=False,
    code="workbench.tasks.masked_lm.task:TASK",
    pipeline="fill-mask",
)
