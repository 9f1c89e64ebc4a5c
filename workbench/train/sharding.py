"""A model's weights divided among the processes of a node: FSDP2, by torch's own `fully_shard`.

Each process holds its part of every weight, gradient and moment, and gathers a layer when it computes it
(https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html). accelerate and Trainer fall back to whole
models on a CPU without a word; this trains divided with gloo as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from workbench.train.anatomy import anatomy
from workbench.train.device import Device
from workbench.train.ranks import Ranks

if TYPE_CHECKING:
    import torch
    from torch.distributed.fsdp import FSDPModule
    from transformers import PreTrainedModel

# What torch gives and takes as the state of a model or an optimizer.
StateDict = dict[str, Any]

# torch's modules for it are imported where a model is divided: they take half a second.


def shard(model: PreTrainedModel, device: Device, ranks: Ranks) -> None:
    """Divide the model's weights, in place: a group for each layer and one for what is around them."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.kind, (ranks.world,))
    for stack in anatomy(model).stacks:
        for layer in model.get_submodule(stack.name).children():
            fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)


def sharded(model: torch.nn.Module) -> bool:
    return hasattr(model, "set_requires_gradient_sync")


@contextmanager
def gradients_apart(model: torch.nn.Module) -> Iterator[None]:
    """Within this no gradients are exchanged: those of a step are, once, with its last batch."""
    divided = cast("FSDPModule", model)
    divided.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        divided.set_requires_gradient_sync(True)


@contextmanager
def gathered(model: PreTrainedModel) -> Iterator[None]:
    """Within this each process holds the whole model, and calls it as often as it likes.

    In an evaluation some have a batch more than others, and generate more tokens: gathering at each call would leave
    one of them waiting for ever. All processes must come here together.
    """
    if not sharded(model):
        yield
        return
    from torch.distributed.fsdp import FSDPModule

    parts = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(True, recurse=False)
            part.reshard()


def whole_weights(model: PreTrainedModel) -> StateDict | None:
    """All weights by name, in the host memory of the first process; None of a model that is not divided.

    All processes must ask together.
    """
    if not sharded(model):
        return None
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))


def load_weights(model: PreTrainedModel, weights: StateDict) -> None:
    """Take up whole weights, of which each process keeps its part."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True, strict=False))


def optimizer_state(model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> StateDict:
    """The optimizer's state, whole whether the model is divided or not. All processes must ask together."""
    if not sharded(model):
        return optimizer.state_dict()
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return dict(get_optimizer_state_dict(model, optimizer, options=options))


def load_optimizer_state(model: PreTrainedModel, optimizer: torch.optim.Optimizer, state: StateDict) -> None:
    """Take up what `optimizer_state` gave."""
    if not sharded(model):
        optimizer.load_state_dict(state)
        return
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_optimizer_state_dict

    set_optimizer_state_dict(model, optimizer, state, options=StateDictOptions(full_state_dict=True))


def whole(value: torch.Tensor) -> torch.Tensor:
    """A number that was computed from parts, such as the norm of all gradients."""
    gathered: torch.Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return gathered
