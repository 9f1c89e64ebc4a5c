"""The tagger: transformers' `…ForTokenClassification`, and what its config keeps for those who use it.

That is, beside the names of the tags: `tag_scheme`, `word_split` and `words_spaced`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.models import weights
from workbench.tasks.shared.class_names import load_classifier
from workbench.tasks.token_classification.spec import SPEC

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.models.locate import Located
    from workbench.tasks.token_classification.data import PreparedWords


def load(prepared: PreparedWords, located: Located) -> tuple[PreTrainedModel, list[str]]:
    from transformers import AutoModelForTokenClassification

    tokenizer, facts = prepared.tokenizer, prepared.own
    config = weights.vocabulary(located, tokenizer, "pad_token_id")
    model, new = load_classifier(AutoModelForTokenClassification, SPEC, prepared, located, config)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.tag_scheme = facts.tagset.scheme
    model.config.word_split = facts.writing.split
    model.config.words_spaced = facts.writing.spaced
    return model, new
