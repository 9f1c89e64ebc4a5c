"""Where each weight of a model is: in its embeddings, in a layer counted from the bottom, above these, or in its head.

Nothing is known of families by name. The layers of a model are its outermost `ModuleList`s of modules of one class
(`encoder.layer`, `transformer.h`, `model.layers`; T5 has `encoder.block` and `decoder.block`), its body is what
`base_model_prefix` names, and what looks tokens or positions up outside of the layers are its embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Stack:
    """Layers one upon the other: the name of their list, and how many there are."""

    name: str
    layers: int

    def layer(self, weight: str) -> int | None:
        """The layer a weight is in, 0 the lowest; None where it is in none of them."""
        prefix = f"{self.name}."
        if not weight.startswith(prefix):
            return None
        return int(weight[len(prefix) :].split(".", 1)[0])


@dataclass(frozen=True)
class Anatomy:
    """`stacks` from the bottom: an encoder comes before its decoder. Names are those of `named_parameters`."""

    stacks: tuple[Stack, ...]
    embeddings: frozenset[str]
    head: frozenset[str]

    @property
    def layers(self) -> int:
        """Layers of the tallest stack."""
        return max((stack.layers for stack in self.stacks), default=0)

    def layer(self, weight: str) -> int | None:
        """The layer a weight is in, counted in its own stack."""
        found = (stack.layer(weight) for stack in self.stacks)
        return next((place for place in found if place is not None), None)

    def depth(self, weight: str) -> int:
        """0 for embeddings, then the layers on the way up through all stacks, and `top` for whatever is above them."""
        if weight in self.embeddings:
            return 0
        below = 0
        for stack in self.stacks:
            if (place := stack.layer(weight)) is not None:
                return below + place + 1
            below += stack.layers
        return below + 1

    @property
    def top(self) -> int:
        return sum(stack.layers for stack in self.stacks) + 1


def anatomy(model: PreTrainedModel) -> Anatomy:
    """Of a transformers model, or of one that adapters were put into."""
    whole = unwrapped(model)
    stacks = tuple(_stacks(whole))
    weights = dict(whole.named_parameters())
    looked_up = frozenset(name for name in weights if _looked_up(whole, name, stacks))
    body = _body(whole, stacks)
    head = frozenset(name for name in weights if not name.startswith(body) and name not in looked_up)
    return Anatomy(stacks, looked_up, head)


def unwrapped(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The transformers model within its adapters."""
    adapted = hasattr(model, "peft_config") and hasattr(model, "get_base_model")
    return cast("PreTrainedModel", cast("PeftModel", model).get_base_model() if adapted else model)


def _stacks(model: PreTrainedModel) -> Iterator[Stack]:
    import torch

    taken: list[str] = []
    for name, module in model.named_modules():
        if any(name.startswith(f"{outer}.") for outer in taken) or not isinstance(module, torch.nn.ModuleList):
            continue
        if len({type(layer) for layer in module}) == 1 and any(True for _ in module.parameters()):
            taken.append(name)
            yield Stack(name, len(module))


def _looked_up(model: PreTrainedModel, name: str, stacks: tuple[Stack, ...]) -> bool:
    import torch

    if any(stack.layer(name) is not None for stack in stacks):
        return False
    path = name.rpartition(".")[0]
    return "embed" in path or isinstance(model.get_submodule(path), torch.nn.Embedding)


def _body(model: PreTrainedModel, stacks: tuple[Stack, ...]) -> tuple[str, ...]:
    """What names of weights of the body begin with. A T5 has no module of that name: what holds layers is its body."""
    prefix = getattr(model, "base_model_prefix", "")
    if prefix and hasattr(model, prefix):
        return (f"{prefix}.",)
    return tuple({f"{stack.name.split('.', 1)[0]}." for stack in stacks})
