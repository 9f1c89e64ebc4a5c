"""What of a model learns: all of it, what is not frozen, or adapters put into it; and how that is told."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from workbench.contracts.events import AdapterFacts
from workbench.models import locate
from workbench.models.locate import Located
from workbench.recipe import Recipe
from workbench.train import adapters, liger
from workbench.train.anatomy import anatomy, unwrapped
from workbench.train.freezing import freeze, frozen

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ADAPTERS: Final = {"lora", "dora", "qlora"}
_FEW: Final = 8  # names in a sentence
_SNAPSHOT: Final = re.compile(r"/models--([^/]+)/snapshots/([0-9a-f]{40})/?$")


@dataclass(frozen=True)
class Learning:
    """What the `plan` event says of it. Numbers count weights, each once however many names it has."""

    method: str
    parameters: int
    trainable: int
    new_weights: list[str]
    frozen: list[str] = field(default_factory=list)
    adapters: AdapterFacts | None = None


def loaded_for(located: Located, recipe: Recipe, precision: str) -> Located:
    """How its weights are loaded: in 4 bits, or in bf16 where they are stored so, multiplied so, and do not learn."""
    method = recipe.train.method
    bf16 = method in {"lora", "dora"} and precision == "bf16"
    return replace(located, four_bit=method == "qlora", bf16=bf16)


def apply(
    model: PreTrainedModel, recipe: Recipe, new: Collection[str], located: Located
) -> tuple[PreTrainedModel, Learning]:
    """The model with only that left trainable which the recipe wants to learn. Raises BadInput."""
    if liger.asked(recipe.train):
        liger.apply(model)
    names = [name for name, _ in model.named_parameters()]
    fresh = set(names) if "*" in new else set(new)
    still = frozen(model, recipe.train, fresh)
    told: AdapterFacts | None = None
    if recipe.train.method in _ADAPTERS:
        model = adapters.adapt(model, recipe, new, still, _base(located))
        modules, layers = adapters.modules_of(model)
        lora = recipe.train.lora
        told = AdapterFacts(rank=lora.rank, alpha=lora.alpha, modules=tuple(modules), layers=layers)
    elif still:
        freeze(model, still)
    # peft keeps the head as it was beside the one that learns: it is no part of what is saved or used.
    counted = ((name, weight) for name, weight in model.named_parameters() if ".original_module." not in name)
    weights = {id(weight): weight for _, weight in counted}.values()
    trainable = sum(weight.numel() for weight in weights if weight.requires_grad)
    count = sum(weight.numel() for weight in weights)
    return model, Learning(recipe.train.method, count, trainable, list(new), sorted(still), told)


def doubts(model: PreTrainedModel, new: Collection[str]) -> str | None:
    """A sentence where pretrained weights that ought to have been there are new; None where only the head is.

    A pooler is passed over: a checkpoint of a masked language model has none, and a classifier's learns with its head.
    So is the second name of a weight that two modules share, as BERT's two biases of its vocabulary.
    """
    if "*" in new:
        return None
    aside = anatomy(model).head | _second_names(unwrapped(model))
    body = [name for name in new if name not in aside and ".pooler." not in name]
    if not body:
        return None
    named = ", ".join(body[:_FEW]) + (", …" if len(body) > _FEW else "")
    count = "1 weight of the body is" if len(body) == 1 else f"{len(body)} weights of the body are"
    return f"{count} new, not pretrained: is this the right model? ({named})"


def _second_names(model: PreTrainedModel) -> set[str]:
    once = {name for name, _ in model.named_parameters()}
    return {name for name, _ in model.named_parameters(remove_duplicate=False)} - once


def _base(located: Located) -> tuple[str, str | None]:
    """What adapter_config.json names: the id of a model from the hub, which any machine finds, else its directory."""
    if located.name == locate.MINILM:
        return locate.MINILM_ON_HUB, None
    if (snapshot := _SNAPSHOT.search(located.path_or_id)) is not None:
        return snapshot[1].replace("--", "/"), snapshot[2]
    if located.kind in {"cache", "download"}:
        return located.name, located.revision
    return located.path_or_id, None
