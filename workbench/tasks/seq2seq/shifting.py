"""What a decoder is given in training: the target, one place to the right, behind the token it begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.tasks.shared.rows import IGNORED, Batch, Padding, RowItem

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Shift:
    """A model's rule. `start` comes before every target; None where a target's own last token does, as in mBART."""

    start: int | None
    pad: int

    @classmethod
    def of(cls, model: PreTrainedModel) -> Shift:
        """The rule `prepare_decoder_input_ids_from_labels` follows, found by trying it; that of the config without it.

        A batch needs the rule and not the model, which need not travel to the processes that load data.
        """
        import torch

        config = model.config
        own = getattr(model, "prepare_decoder_input_ids_from_labels", None)
        if own is None:
            return cls(config.decoder_start_token_id, config.pad_token_id)
        first, second, third = [token for token in range(4) if token != config.pad_token_id][:3]
        tried = own(labels=torch.tensor([[first, second], [first, third]]))[:, 0].tolist()
        wraps = tried == [second, third]
        return cls(None if wraps else int(tried[0]), config.pad_token_id)

    def __call__(self, labels: torch.Tensor) -> torch.Tensor:
        """Labels [rows, longest], padded on the right with `IGNORED`, as decoder_input_ids of the same shape."""
        shifted = labels.roll(1, dims=-1)
        if self.start is None:
            last = (labels != IGNORED).sum(-1, keepdim=True) - 1
            shifted[:, :1] = labels.gather(-1, last)
        else:
            shifted[:, 0] = self.start
        return shifted.masked_fill(shifted == IGNORED, self.pad)


@dataclass(frozen=True)
class ShiftedPadding:
    """Makes a batch of sources, of `labels`, and of `decoder_input_ids` from them.

    The padding of a target stands behind it, where nothing that counts attends to it, and so needs no mask.
    `width` pads the targets to a fixed width.
    """

    padding: Padding
    shift: Shift
    width: int | None = None

    def rounded(self, multiple: int, most: int) -> ShiftedPadding:
        return replace(self, padding=self.padding.rounded(multiple, most))

    def __call__(self, items: Sequence[RowItem]) -> Batch:
        import torch

        batch = self.padding(items)
        missing = (self.width or 0) - batch["labels"].shape[1]
        if missing > 0:
            batch["labels"] = torch.nn.functional.pad(batch["labels"], (0, missing), value=IGNORED)
        return batch | {"decoder_input_ids": self.shift(batch["labels"])}
