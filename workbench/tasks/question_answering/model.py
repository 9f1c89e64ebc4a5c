"""The model: transformers' `…ForQuestionAnswering`; its config keeps `null_threshold`.

That is kept with the weights because whoever uses them must know whether they were taught to give no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.models import weights
from workbench.tasks.question_answering.data import TOKENS_IN_CONFIG

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.models.locate import Located
    from workbench.tasks.question_answering.data import PreparedQuestions


def load(prepared: PreparedQuestions, located: Located) -> tuple[PreTrainedModel, list[str]]:
    from transformers import AutoModelForQuestionAnswering

    config = weights.vocabulary(located, prepared.tokenizer, *TOKENS_IN_CONFIG)
    model, new = weights.load_model(AutoModelForQuestionAnswering, prepared.recipe.model, located, config)
    model.config.null_threshold = prepared.own.null_threshold
    return model, new
