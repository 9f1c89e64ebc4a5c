"""Low-rank adapters: LoRA (Hu et al. 2021), DoRA (Liu et al. 2024), and LoRA on 4-bit weights (Dettmers et al. 2023).

The model's own weights stay as they are; beside each chosen layer a product of two thin matrices learns, and the head
learns whole. Checkpoints and `model/` hold only what was trained.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from workbench.core.errors import BadInput
from workbench.core.suggest import nearest
from workbench.models.adapter_files import CONFIG, WEIGHTS
from workbench.recipe import Recipe
from workbench.tasks.spec import TaskSpec, spec_of
from workbench.train.anatomy import Anatomy, anatomy, unwrapped

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def adapt(
    model: PreTrainedModel, recipe: Recipe, new: Collection[str], frozen: Collection[str], base: tuple[str, str | None]
) -> PreTrainedModel:
    """The model with adapters in it, everything else but its head frozen.

    Layers with weights in `frozen` get none. `base` is the id or directory of the model, and its revision, as they are
    to stand in adapter_config.json. Raises BadInput for target modules that are not there.
    """
    from peft import LoraConfig, PeftModel, TaskType, prepare_model_for_kbit_training

    lora = recipe.train.lora
    build = anatomy(model)
    targets = _targets(model, build, lora.target_modules)
    kept = [name for name in targets if not _weights_of(name) & set(frozen)]
    if not kept:
        raise BadInput("every layer that would get adapters is frozen", where="train.freeze", hint="freeze less")
    spec = spec_of(recipe.task)
    settings = LoraConfig(
        task_type=None if spec.peft_type is None else TaskType(spec.peft_type),
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft only divides it by the rank
        lora_dropout=lora.dropout,
        bias="none",
        use_dora=recipe.train.method == "dora",
        target_modules=sorted({name.rpartition(".")[2] for name in targets}) if kept == targets else kept,
        modules_to_save=_whole(model, build, spec, new) or None,
        fan_in_fan_out=_transposed(model, kept[0]),
        base_model_name_or_path=base[0],
        revision=base[1],
    )
    if recipe.train.method == "qlora":
        prepare: Any = prepare_model_for_kbit_training  # peft gives it no types
        model = prepare(model, use_gradient_checkpointing=recipe.train.activation_checkpointing)
    # The plain class passes every argument on; those of peft's tasks know only some.
    with warnings.catch_warnings():
        # It asks transformers by a name that is on its way out, of which a user's console need not tell.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        adapted = PeftModel(model, settings)
    settings.base_model_name_or_path, settings.revision = base
    _freeze_saved(adapted, frozen)
    _widen(adapted)
    # peft stands in for the model, with all its attributes.
    return cast("PreTrainedModel", adapted)


def save(model: PreTrainedModel, directory: Path) -> None:
    """Adapters, head and config; not the base. Raises OSError and SafetensorError."""
    # The other value asks the hub whether the vocabulary has grown.
    model.save_pretrained(directory, save_embedding_layers=False)
    (directory / "README.md").unlink(missing_ok=True)
    config = unwrapped(model).config
    config.architectures = [type(unwrapped(model)).__name__]
    config.to_json_file(directory / CONFIG)
    if unwrapped(model).can_generate():
        unwrapped(model).generation_config.save_pretrained(directory)


def load(model: PreTrainedModel, directory: Path) -> None:
    """Put the adapters and the head of a checkpoint into the model. Raises OSError and SafetensorError."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    result: Any = set_peft_model_state_dict(model, load_file(directory / WEIGHTS, device="cpu"))
    assert not result.unexpected_keys, f"{directory}: not the adapters of this model"


def modules_of(model: PreTrainedModel) -> tuple[list[str], int]:
    """The last words of the names of the layers with adapters, and how many such layers there are."""
    from peft.tuners.lora import LoraLayer

    names = [name for name, module in unwrapped(model).named_modules() if isinstance(module, LoraLayer)]
    return sorted({name.rpartition(".")[2] for name in names}), len(names)


def is_adapted(model: PreTrainedModel) -> bool:
    return hasattr(model, "peft_config")


def _targets(model: PreTrainedModel, build: Anatomy, asked: list[str] | None) -> list[str]:
    """Full names of the layers that get adapters."""
    linear = _linear_layers(model, build)
    wanted = asked or _usual(model)
    if wanted is None:
        return linear
    for word in wanted if asked else ():
        if not any(_is(name, word) for name in linear):
            words = sorted({name.rpartition(".")[2] for name in linear})
            raise BadInput(
                f"no layer is named {word!r}{nearest(word, words)}",
                where="train.lora.target_modules",
                hint=f"use some of {', '.join(words)}",
            )
    return [name for name in linear if any(_is(name, word) for word in wanted)] or linear


def _usual(model: PreTrainedModel) -> list[str] | None:
    """Which layers peft gives adapters to in this family; None where it does not say."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL

    found = USUAL.get(model.config.model_type)
    return list(found) if isinstance(found, list) else None


def _linear_layers(model: PreTrainedModel, build: Anatomy) -> list[str]:
    import torch
    from transformers.pytorch_utils import Conv1D

    found = ((name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear | Conv1D))
    return [name for name, _ in found if build.layer(name) is not None]


def _is(name: str, word: str) -> bool:
    return name == word or name.endswith(f".{word}")


def _weights_of(layer: str) -> set[str]:
    return {f"{layer}.weight"}


def _transposed(model: PreTrainedModel, layer: str) -> bool:
    """Whether its layers keep their weights as GPT-2 does, input first."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(model.get_submodule(layer), Conv1D)


def _whole(model: PreTrainedModel, build: Anatomy, spec: TaskSpec, new: Collection[str]) -> list[str]:
    """Names of the modules that learn whole: the head of a classifier, and whatever else is new.

    What is tied to the embeddings is left out: two copies of one table would learn apart.
    """
    owners = {name.rpartition(".")[0] for name in new}
    if spec.new_head:
        owners |= {name.rpartition(".")[0] for name in build.head}
    shared = _shared(model)
    return sorted(owner for owner in owners if owner and not _holds(model, owner, shared))


def _shared(model: PreTrainedModel) -> set[int]:
    """The identities of weights that are embeddings, by whatever name."""
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    return {id(weight) for table in tables if table is not None for weight in table.parameters()}


def _holds(model: PreTrainedModel, owner: str, weights: set[int]) -> bool:
    return any(id(weight) in weights for weight in model.get_submodule(owner).parameters())


def _widen(model: PeftModel) -> None:
    """What learns is in fp32, whatever the base is in: small steps would vanish in the rounding of bf16."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


def _freeze_saved(model: PeftModel, frozen: Collection[str]) -> None:
    """A head that matches a pattern of `train.freeze` does not learn either."""
    for name, weight in unwrapped(model).named_parameters():
        if name.replace("modules_to_save.default.", "") in frozen:
            weight.requires_grad_(False)
