"""What masked-lm minimises: cross entropy over the masked tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.tasks.masked_lm.masking import at_places, places_of
from workbench.tasks.shared.rows import IGNORED
from workbench.tasks.shared.token_loss import HasLogits, per_label

if TYPE_CHECKING:
    import torch

    from workbench.tasks.interface import Loss
    from workbench.tasks.masked_lm.data import PreparedBlocks


def loss(prepared: PreparedBlocks) -> Loss:
    return step_loss


def step_loss(
    outputs: HasLogits,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | None = None,
    label_places: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross entropy in nats, summed over the masked tokens of the batch and divided by those of the optimizer step.

    `label_places` are those of the batch. Without them they are looked for, which waits for the GPU.
    """
    import torch

    places = places_of(labels) if label_places is None else label_places
    logits, gold = at_places(outputs.logits, labels, places)
    total = torch.nn.functional.cross_entropy(logits, gold.flatten(), ignore_index=IGNORED, reduction="sum")
    return per_label(total, labels, num_items_in_batch)
