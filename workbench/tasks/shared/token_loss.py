"""Losses over the tokens of a batch, divided by the labels of the whole optimizer step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from workbench.tasks.shared.rows import IGNORED

if TYPE_CHECKING:
    import torch


class HasLogits(Protocol):
    """The outputs of a model: `logits` [rows, classes] or [rows, tokens, classes]."""

    logits: torch.Tensor


def per_label(total: torch.Tensor, labels: torch.Tensor, items: torch.Tensor | None) -> torch.Tensor:
    """A sum over the batch, divided by the labels of the step, which are `items`; without them by those of the batch.

    The models' own loss is the mean of the batch, which Trainer would add up over an accumulated step.
    """
    return total / ((labels != IGNORED).sum() if items is None else items)


@dataclass(frozen=True)
class TokenCrossEntropy:
    """Cross entropy in nats, summed over the tokens with a label and divided by those of the whole optimizer step.

    `smoothing` is the share of each label that is spread evenly over the classes (Szegedy et al. 2016).
    """

    smoothing: float = 0.0

    def __call__(
        self, outputs: HasLogits, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        import torch

        total = torch.nn.functional.cross_entropy(
            outputs.logits.flatten(0, 1).float(),
            labels.flatten(),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.smoothing,
        )
        return per_label(total, labels, num_items_in_batch)
