"""What question-answering minimises: the mean of two cross entropies, of the answer's first and last token among those
of the window (Devlin et al. 2019, sections 4.2 and 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from workbench.tasks.shared.rows import IGNORED
from workbench.tasks.shared.token_loss import per_label

if TYPE_CHECKING:
    import torch

    from workbench.tasks.interface import Loss
    from workbench.tasks.question_answering.data import PreparedQuestions


class SpanLogits(Protocol):
    """The outputs of a model, [windows, longest] both."""

    start_logits: torch.Tensor
    end_logits: torch.Tensor


def loss(prepared: PreparedQuestions) -> Loss:
    return step_loss


def step_loss(
    outputs: SpanLogits, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross entropy in nats of first and last token, summed over the windows and divided by the labels of the step.

    Every window has two labels, so that this is the mean of both, as the models' own loss.
    """
    import torch

    both = zip((outputs.start_logits, outputs.end_logits), labels.unbind(1), strict=True)
    first, last = (
        torch.nn.functional.cross_entropy(logits.float(), places, ignore_index=IGNORED, reduction="sum")
        for logits, places in both
    )
    return per_label(first + last, labels, num_items_in_batch)
