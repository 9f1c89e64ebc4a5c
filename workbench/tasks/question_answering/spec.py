"""question-answering as plain data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.data.tables.roles import Role, Shape
from workbench.models.architectures import Head
from workbench.recipe import Data, Evaluate, Recipe
from workbench.recipe.schema import MaxLength, Positive, Stride
from workbench.tasks.spec import Length, TaskSpec


class QuestionAnsweringData(Data):
    """Questions, the texts that answer them, and the answers."""

    question: str | None = Field(None, description="column of the question")
    context: str | None = Field(None, description="column of the text with the answer in it")
    answers: str | None = Field(None, description="column of the answers, SQuAD's or plain text")
    answer_start: str | None = Field(None, description="column of where a plain answer begins")
    max_length: MaxLength = None
    stride: Stride = None


class QuestionAnsweringEvaluate(Evaluate):
    """How answers are searched for."""

    n_best: Positive = Field(20, description="answers considered for each question")
    max_answer_length: Positive = Field(30, description="tokens in an answer at most")
    null_threshold: float | None = Field(
        None, description="no answer is given where its score is so much above the best answer's"
    )


class QuestionAnsweringRecipe(Recipe):
    """A recipe for question-answering."""

    task: Literal["question-answering"] = "question-answering"
    data: QuestionAnsweringData = QuestionAnsweringData()
    evaluate: QuestionAnsweringEvaluate = QuestionAnsweringEvaluate()


SPEC = TaskSpec(
    name="question-answering",
    recipe=QuestionAnsweringRecipe,
    shapes=(
        Shape(
            "context",
            (
                Role("question", ("question", "query")),
                Role("context", ("context", "passage", "paragraph", "document", "text")),
                Role("answers", ("answers", "answer", "answer_text"), texts=False, filled=False),
                Role("answer_start", ("answer_start", "start"), texts=False, filled=False, needed=False),
            ),
            ("question", "context"),
        ),
    ),
    head=Head(
        "AutoModelForQuestionAnswering",
        "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
        ("ForQuestionAnswering",),
        "BERT, RoBERTa or DeBERTa",
    ),
    peft_type="QUESTION_ANS",
    new_head=True,
    asks=("question", "context"),
    lengths=(Length(usual=384),),
    one_to_one=False,
    needs_padding="the loss of question-answering is over all of a row, padding too",
    code="workbench.tasks.question_answering.task:TASK",
    row_texts="workbench.tasks.question_answering.row_texts:QuestionAndContext",
)
