"""Fused kernels of liger-kernel (Hsu et al. 2024, arXiv 2410.10989) in place of a decoder's own.

Norms, rotary positions and MLPs each become one kernel, and the logits of a training step are never kept whole: the
loss is summed over pieces of the vocabulary's matrix product. The numbers stay those of the model's own loss, divided
by the tokens of the whole step. Evaluation still gets its logits.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.core.errors import BadInput
from workbench.recipe import Recipe, Train

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def asked(train: Train) -> bool:
    """Whether the recipe wants the kernels. Only tasks whose models have some have the field."""
    return bool(getattr(train, "liger", False))


def problems(recipe: Recipe) -> Iterator[str]:
    """Sentences on why `train.liger` cannot be had. Imports torch only where the package is there."""
    if not asked(recipe.train):
        return
    if importlib.util.find_spec("liger_kernel") is None:
        yield 'train.liger: it needs a package that is not here: pip install "finetune-workbench[liger]"'
    elif not _gpu(recipe):
        yield "train.liger: it needs a CUDA GPU, and this run has none: leave it out"


def apply(model: PreTrainedModel) -> None:
    """Give the model the kernels of its family, before anything is put into it. Raises BadInput where there are none.

    Parts that all models of the family share, such as the rotary positions, change for the whole process.
    """
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN as FAMILIES

    family = model.config.model_type
    if family not in FAMILIES:
        raise BadInput(
            f"liger-kernel has no kernels for {family}", where="train.liger", hint="leave it out for this model"
        )
    FAMILIES[family](model=model)


def _gpu(recipe: Recipe) -> bool:
    if recipe.launch.device == "cpu":
        return False
    import torch

    return bool(torch.cuda.is_available())
