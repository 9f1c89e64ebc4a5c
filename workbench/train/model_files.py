"""The weights that are trained, written to a directory and read back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.train import adapters, sharding

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    directory: Path,
    *,
    use_cache: bool,
    max_length: int | None = None,
    weights: sharding.StateDict | None = None,
) -> None:
    """The model and its tokenizer as `from_pretrained` reads them. Raises OSError and SafetensorError.

    `use_cache` is what its config is to say: training turns the cache off, and whoever generates wants it.
    `max_length` is after how many tokens a text is cut, as the tokenizer is to say, None where it is not. `weights`
    are the whole ones of a model that is divided among processes.
    """
    config = model.config
    config.use_cache, training = use_cache, config.use_cache
    try:
        if adapters.is_adapted(model):
            adapters.save(model, directory)
        else:
            model.save_pretrained(directory, state_dict=weights)
    finally:
        config.use_cache = training
    if max_length is not None:
        tokenizer.model_max_length = max_length
    tokenizer.save_pretrained(directory)


def load(model: PreTrainedModel, directory: Path) -> None:
    """Put back what `save` has written. Raises OSError and SafetensorError."""
    if adapters.is_adapted(model):
        adapters.load(model, directory)
        return
    from safetensors.torch import load_file

    # A large model is saved in several files.
    for file in sorted(directory.glob("*.safetensors")):
        if sharding.sharded(model):
            sharding.load_weights(model, load_file(file))
        else:
            model.load_state_dict(load_file(file), strict=False)
    if not sharding.sharded(model):
        model.tie_weights()
