"""Noise on the embeddings while training: NEFTune (Jain et al. 2023, https://arxiv.org/abs/2310.05914)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def add_noise(model: PreTrainedModel, alpha: float) -> None:
    """From now on what the model's input embeddings [rows, tokens, width] give has noise added in training mode.

    It is uniform in ±alpha / sqrt(tokens · width), equation 1 of the paper.
    """
    import torch

    def noisy(module: torch.nn.Module, given: tuple[torch.Tensor, ...], embedded: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return embedded
        most = alpha / math.sqrt(embedded.size(1) * embedded.size(2))
        return embedded + torch.zeros_like(embedded).uniform_(-most, most)

    model.get_input_embeddings().register_forward_hook(noisy)
