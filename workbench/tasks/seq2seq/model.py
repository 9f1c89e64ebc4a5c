"""The model: transformers' `…ForConditionalGeneration` of an encoder-decoder (T5, BART, mBART, Marian, M2M-100, NLLB).

Its config keeps nothing of ours; its generation config keeps how it begins and ends the texts that it writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.models import weights
from workbench.tasks.seq2seq import searching
from workbench.tasks.seq2seq.encode import end_of
from workbench.tasks.seq2seq.shifting import Shift

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.models.locate import Located
    from workbench.tasks.seq2seq.data import PreparedPairs


def load(prepared: PreparedPairs, located: Located) -> tuple[PreTrainedModel, list[str]]:
    from transformers import AutoModelForSeq2SeqLM

    tokenizer = prepared.tokenizer
    config = config_from_scratch(located, tokenizer)
    model, new = weights.load_model(AutoModelForSeq2SeqLM, prepared.recipe.model, located, config)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    if getattr(model.config, "decoder_start_token_id", None) is None:
        model.config.decoder_start_token_id = model.config.pad_token_id  # as T5's do
    decoder = model.get_decoder()
    if decoder.config is not model.config:
        # T5's has one of its own, by which training would fill a cache at every step. Who writes asks for one.
        decoder.config.use_cache = False
    beams = prepared.recipe.evaluate.beams
    searching.settle(model, prepared.own.sides, Shift.of(model), beams=beams, scratch=located.kind == "scratch")
    return model, new


def config_from_scratch(located: Located, tokenizer: PreTrainedTokenizerBase) -> dict[str, object]:
    """What a config from scratch must know of the tokenizer; a tokenizer may name its end otherwise."""
    known = weights.vocabulary(located, tokenizer, "bos_token_id", "pad_token_id")
    own = {"eos_token_id": end_of(tokenizer), "decoder_start_token_id": tokenizer.pad_token_id}
    return known | own if known else {}
