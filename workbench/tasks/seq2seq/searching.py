"""What an encoder-decoder begins with and how it searches: the settings of its generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast

from workbench.tasks.seq2seq import languages
from workbench.tasks.seq2seq.encode import Sides, end_of
from workbench.tasks.seq2seq.shifting import Shift
from workbench.tasks.shared.generation import text_of
from workbench.tasks.shared.rows import Batch, Padding

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_AT_ONCE: Final = 16
# A checkpoint's settings of sampling and of length, which would speak against a search.
_NOT_SAMPLED: Final[Mapping[str, object]] = dict.fromkeys(("max_length", "temperature", "top_k", "top_p", "typical_p"))


def settle(model: PreTrainedModel, sides: Sides, shift: Shift, *, beams: int, scratch: bool) -> None:
    """Have the model begin, search and end its texts as in training; kept in its generation_config.json.

    Where the language comes first in a target (mBART-50, NLLB, M2M-100) it is forced after the start token; where a
    target's own last token comes before it (mBART) that is the start.
    """
    settings = model.generation_config
    (target,), _ = sides.targets(["a"])
    language = languages.token_of_target(sides.tokenizer)
    settings.pad_token_id = model.config.pad_token_id
    settings.eos_token_id = end_of(sides.tokenizer)
    settings.decoder_start_token_id = target[-1] if shift.start is None else shift.start
    model.config.decoder_start_token_id = settings.decoder_start_token_id
    if language is not None:
        settings.forced_bos_token_id = language if target[0] == language else None
    # Some set the end token upon the last one there is room for: it would be lost, and seem to be the end.
    settings.forced_eos_token_id = None
    settings.update(**_searched(beams, sides.longest_target), **_NOT_SAMPLED)
    if scratch:
        # The configs' own defaults are ids of the published vocabularies.
        model.config.forced_eos_token_id = None
        settings.bos_token_id = sides.tokenizer.bos_token_id


def beginning(model: PreTrainedModel) -> list[int]:
    """The ids a decoder starts from when it writes on its own."""
    settings = model.generation_config
    forced = settings.forced_bos_token_id
    return [settings.decoder_start_token_id] + ([] if forced is None else [forced])


def search(model: PreTrainedModel, batch: Batch, beams: int, new_tokens: int) -> torch.Tensor:
    """Ids [rows, longest] of what the model writes to a batch of sources, the start token left out, padded.

    Greedy with one beam, else beam search with a length penalty of 1. A checkpoint's own settings for lengths and
    repetition are those of the data it was published with, and are not used; its special tokens are.
    """
    import torch
    from transformers import GenerationConfig

    sources = batch["input_ids"]
    mask = batch.get("attention_mask")
    # What is not set here is the checkpoint's.
    settings = GenerationConfig(**_searched(beams, new_tokens), use_cache=True, return_dict_in_generate=False)
    written: torch.Tensor = bare(model).generate(
        input_ids=sources,
        attention_mask=torch.ones_like(sources) if mask is None else mask,
        generation_config=settings,
    )
    return written[:, 1:]


def _searched(beams: int, new_tokens: int) -> Mapping[str, object]:
    return {
        "num_beams": beams,
        "max_new_tokens": new_tokens,
        "min_length": 0,
        "min_new_tokens": 0,
        "encoder_no_repeat_ngram_size": 0,
        "do_sample": False,
        "length_penalty": 1.0,
        "early_stopping": False,
        "no_repeat_ngram_size": 0,
        "repetition_penalty": 1.0,
    }


def write(model: PreTrainedModel, sides: Sides, beams: int, texts: Sequence[str]) -> list[str]:
    """What the model writes to each source, as `search` finds it."""
    import torch

    rows, _ = sides.sources(list(texts))
    pad = Padding(sides.tokenizer.pad_token_id)
    found = []
    for start in range(0, len(rows), _AT_ONCE):
        batch = pad([{"input_ids": row} for row in rows[start : start + _AT_ONCE]])
        there = {name: tensor.to(model.device) for name, tensor in batch.items()}
        with torch.inference_mode():
            written = search(model, there, beams, sides.longest_target)
        found += [text_of(sides.tokenizer, ids).strip() for ids in written.tolist()]
    return found


class Writes(Protocol):
    """A model that generates."""

    def generate(self, **options: object) -> torch.Tensor:
        """Ids [rows, longest], the start token first."""


def bare(model: PreTrainedModel) -> Writes:
    """The model within what distributes or compiles it: those can be called, and cannot generate."""
    for name in ("module", "_orig_mod"):
        model = getattr(model, name, model)
    return cast("Writes", model)
