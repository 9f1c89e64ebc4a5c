"""Forward and backward: one batch in, its loss out and its gradients added to those there are."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

import torch
from torch.nn.parallel import DistributedDataParallel

from workbench.recipe import Train
from workbench.tasks.interface import Loss, forward, loss_of
from workbench.tasks.shared.rows import Batch
from workbench.train.device import Device
from workbench.train.ranks import Ranks
from workbench.train.sharding import gradients_apart, sharded
from workbench.train.unpadding import Unpadding

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NARROW: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: Device) -> AbstractContextManager[None]:
    """Matrix products in the training's precision; everything else stays in fp32."""
    narrow = _NARROW.get(device.precision)
    if narrow is None:
        return nullcontext()
    return torch.autocast(device.kind, dtype=narrow)


def trained(model: PreTrainedModel, train: Train, device: Device, ranks: Ranks) -> torch.nn.Module:
    """What training calls in place of the model: compiled, and joined with the other processes' where there are any.

    The weights are those of `model` itself, which evaluation goes on calling.
    """
    called: torch.nn.Module = torch.compile(model) if train.compile else model  # type: ignore[assignment]  # a module in, a module out
    if ranks.world == 1 or sharded(called):
        return called
    return DistributedDataParallel(
        called,
        device_ids=[device.index] if device.kind == "cuda" else None,
        # Some models have weights that a loss does not reach, a pooler say. Checkpointed activations forbid the search.
        find_unused_parameters=not train.activation_checkpointing,
    )


class Passes:
    """Computes the gradients of a batch.

    `model` is what `trained` gave. Without a `loss` the model computes its own, which must heed
    `num_items_in_batch`. `scaler` is that of fp16. `unpadding` is that of a model which computes without padding.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        loss: Loss | None,
        device: Device,
        ranks: Ranks,
        scaler: torch.amp.GradScaler | None = None,
        unpadding: Unpadding | None = None,
    ) -> None:
        self._model, self._loss, self._device, self._ranks, self._scaler = model, loss, device, ranks, scaler
        self._unpadding = unpadding

    def __call__(self, batch: Batch, items: torch.Tensor) -> torch.Tensor:
        """The loss of a batch in host memory: its sum over the batch divided by `items`, the labels of the whole step.

        With several processes it is times their number, because their gradients are averaged. A detached scalar on
        the device, which is not waited for. Raises torch.OutOfMemoryError.
        """
        moved = {name: self.moved(tensor) for name, tensor in batch.items()}
        if self._unpadding is None:
            return self.compute(moved, items)
        # Where the tokens are is found in host memory: a device would have to be waited for.
        with self._unpadding.given(batch, self._sent):
            return self.compute(moved, items)

    def _sent(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor made just now, on the device. A GPU copies it from page-locked memory, and nobody waits for it."""
        return self.moved(tensor.pin_memory() if self._device.kind == "cuda" else tensor)

    def moved(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._device.torch, non_blocking=True)

    def compute(self, batch: Batch, items: torch.Tensor) -> torch.Tensor:
        """The same of a batch that is on the device."""
        loss = self.value(batch, items)
        if self._ranks.world > 1:
            loss = loss * self._ranks.world
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()
        return loss.detach()

    def value(self, batch: Batch, items: torch.Tensor) -> torch.Tensor:
        """The loss alone, with its graph for the way back."""
        with autocast(self._device):
            if self._loss is None:
                own: torch.Tensor = self._model(**batch, num_items_in_batch=items).loss
                return own
            outputs = forward(self._model, batch)
        value: torch.Tensor = loss_of(self._loss, outputs, batch, items)
        return value

    def apart(self) -> AbstractContextManager[None]:
        """Within this, gradients stay with their process: those of a step are averaged once, with its last batch."""
        if isinstance(self._model, DistributedDataParallel):
            return self._model.no_sync()
        if sharded(self._model):
            return gradients_apart(self._model)
        return nullcontext()
