"""The model: transformers' `…ForMaskedLM`; its config keeps nothing of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.models import weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.models.locate import Located
    from workbench.tasks.masked_lm.data import PreparedBlocks


def load(prepared: PreparedBlocks, located: Located) -> tuple[PreTrainedModel, list[str]]:
    from transformers import AutoModelForMaskedLM

    config = weights.vocabulary(located, prepared.tokenizer, "pad_token_id")
    return weights.load_model(AutoModelForMaskedLM, prepared.recipe.model, located, config)
