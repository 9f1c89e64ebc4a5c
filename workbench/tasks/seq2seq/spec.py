"""seq2seq as plain data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.data.tables.roles import Role, Shape
from workbench.models.architectures import Head
from workbench.recipe import Data, Evaluate, Generate, Recipe, Train
from workbench.recipe.schema import LabelSmoothing, MaxLength, Positive, TextColumn, TextOf
from workbench.tasks.spec import Length, TaskSpec


class Seq2SeqData(Data):
    """Source texts and target texts."""

    text: TextColumn = None
    target: TextOf = Field(None, description="column of the text to write; several likewise")
    prefix: str = Field("", description="put before every source text, such as 'summarize: '")
    source_language: str | None = Field(None, description="code of the source language, such as en_XX")
    target_language: str | None = Field(None, description="code of the target language, such as de_DE")
    max_length: MaxLength = None
    max_target_length: Positive = Field(128, description="tokens after which a target is cut")


class Seq2SeqTrain(Train):
    """The loss of a model that writes."""

    label_smoothing: LabelSmoothing = 0.0


class Seq2SeqEvaluate(Evaluate):
    """How targets are written when the model is evaluated."""

    beams: Positive = Field(1, description="beams of the search; 1 is greedy")
    generate: bool = Field(True, description="write the targets and compare them; else the loss alone")


class Seq2SeqRecipe(Recipe):
    """A recipe for seq2seq."""

    task: Literal["seq2seq"] = "seq2seq"
    data: Seq2SeqData = Seq2SeqData()
    train: Seq2SeqTrain = Seq2SeqTrain()
    evaluate: Seq2SeqEvaluate = Seq2SeqEvaluate()
    generate: Generate = Field(Generate(), description="generation")


_SOURCES = (
    ("instruction", "input"), ("instruction", "context"), "source", "input", "article", "document", "dialogue", "text",
    "question", "instruction", "prompt", "input_text", "source_text",
)  # fmt: skip
_TARGETS = (
    "target", "summary", "highlights", "output", "translation", "answer", "label", "response", "completion",
    "target_text", "output_text",
)  # fmt: skip

SPEC = TaskSpec(
    name="seq2seq",
    recipe=Seq2SeqRecipe,
    shapes=(
        Shape(
            "text to text",
            (
                Role("text", _SOURCES),
                Role("target", _TARGETS),
            ),
            ("text",),
        ),
    ),
    head=Head(
        "AutoModelForSeq2SeqLM",
        "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
        ("ForConditionalGeneration", "MTModel"),
        "T5, BART, mBART or Marian",
    ),
    peft_type="SEQ_2_SEQ_LM",
    asks=("text",),
    lengths=(Length(role="text"), Length("max_target_length", "target", 128)),
    generates=True,
    needs_padding="a decoder looks at the padded rows of its encoder",
    code="workbench.tasks.seq2seq.task:TASK",
)
