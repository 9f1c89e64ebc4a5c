"""The weights that are trained, written to a directory and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.train import adapters


def save(model: Any, tokenizer: Any, directory: Path, *, use_cache: bool) -> None:
    """The model and its tokenizer as `from_pretrained` reads them. Raises OSError and SafetensorError.

    `use_cache` is what its config is to say: training turns the cache off, and whoever generates wants it.
    """
    config = model.config
    config.use_cache, training = use_cache, config.use_cache
    try:
        if adapters.is_adapted(model):
            adapters.save(model, directory)
        else:
            model.save_pretrained(directory)
    finally:
        config.use_cache = training
    tokenizer.save_pretrained(directory)


def load(model: Any, directory: Path) -> None:
    """Put back what `save` has written. Raises OSError and SafetensorError."""
    if adapters.is_adapted(model):
        adapters.load(model, directory)
        return
    from safetensors.torch import load_file

    # A large model is saved in several files.
    for file in sorted(directory.glob("*.safetensors")):
        model.load_state_dict(load_file(file), strict=False)
    model.tie_weights()
