"""The model: transformers' `…ForCausalLM`; its config keeps `workbench_chat`.

Whoever asks the model must know that what it is asked is a user's turn. Its generation config keeps what ends a text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.models import weights
from workbench.tasks.causal_lm.data import TOKENS_IN_CONFIG
from workbench.tasks.shared import generation

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.models.locate import Located
    from workbench.tasks.causal_lm.data import PreparedTokens


def load(prepared: PreparedTokens, located: Located) -> tuple[PreTrainedModel, list[str]]:
    from transformers import AutoModelForCausalLM

    config = weights.vocabulary(located, prepared.tokenizer, *TOKENS_IN_CONFIG)
    model, new = weights.load_model(AutoModelForCausalLM, prepared.recipe.model, located, config)
    model.config.workbench_chat = prepared.own.chat
    settings = model.generation_config
    settings.eos_token_id = sorted(generation.ends_of(model, prepared.tokenizer, chat=prepared.own.chat)) or None
    if settings.pad_token_id is None:
        settings.pad_token_id = prepared.tokenizer.pad_token_id
    return model, new
