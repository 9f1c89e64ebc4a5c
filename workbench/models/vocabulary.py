"""A tokenizer with more tokens than the model has embeddings: rows are added for it, or it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.errors import ModelError
from workbench.models import locate, weights
from workbench.recipe import ModelSource

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def added(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens have no embedding. 0 where the config does not say how many there are."""
    known = getattr(config, "vocab_size", None)
    return max(0, len(tokenizer) - known) if isinstance(known, int) else 0


def check(
    asked: ModelSource,
    located: locate.Located,
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    *,
    largest: int,
    whole: bool,
) -> None:
    """Refuse tokens that the model cannot be given embeddings for; `largest` is the greatest id of rows and padding.

    `whole` says that all weights are saved, so that rows can be added. Raises ModelError.
    """
    known = len(tokenizer) - added(config, tokenizer)
    if largest < known:
        return
    said = f"the rows have token {largest}, and the model knows {known}"
    if located.kind == "scratch":
        raise ModelError(said, where="model.config.vocab_size", hint="leave it out: it is then the tokenizer's own")
    if not _goes_on(asked, located, tokenizer, known):
        hint = "leave model.tokenizer out, or name the one the model was trained with"
        raise ModelError(said, where=located.name, hint=hint)
    if not whole:
        hint = 'train.method = "full" adds rows to its embeddings, which adapters do not keep'
        raise ModelError(said, where=located.name, hint=hint)


def _goes_on(asked: ModelSource, located: locate.Located, tokenizer: PreTrainedTokenizerBase, known: int) -> bool:
    """Whether a tokenizer is the model's own, with tokens added to it."""
    if not set(range(known, len(tokenizer))) <= set(tokenizer.get_added_vocab().values()):
        return False
    if not asked.tokenizer or asked.tokenizer == asked.name:
        return True
    if located.directory is None or not locate.has_tokenizer(located.directory):
        return False
    own = weights.open_tokenizer(located.directory, trust=asked.trust_remote_code).get_vocab()
    return bool(own.items() <= tokenizer.get_vocab().items())


def grow(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give each token that has no embedding the mean of those there are, from which it can learn."""
    import torch

    known = next(model.get_input_embeddings().parameters()).shape[0]
    if len(tokenizer) <= known:
        return
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        for table in (model.get_input_embeddings(), model.get_output_embeddings()):
            if table is not None:
                rows = next(table.parameters())
                rows[known:] = rows[:known].mean(dim=0)
