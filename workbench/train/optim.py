"""The optimizer and its schedule as a recipe asks for them, made by transformers' public factories."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypedDict

from workbench.core.errors import BadInput
from workbench.recipe import Train
from workbench.train.anatomy import anatomy, unwrapped
from workbench.train.optimizer_options import ADAMW, WATCHING
from workbench.train.rhythm import warmup_steps

if TYPE_CHECKING:
    import torch
    from torch.optim.lr_scheduler import LRScheduler
    from transformers import PreTrainedModel

_SHARE_OF_DECAY: Final = 10  # warmup_stable_decay goes down over a tenth of the steps, unless it is told otherwise
# Weights that do not decay, by name, as transformers' Trainer has it; those of a LayerNorm never do.
_NO_DECAY: Final = (r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)")


class WeightGroup(TypedDict, total=False):
    """Weights that have a learning rate and a decay of their own, as torch's optimizers take them."""

    params: list[torch.nn.Parameter]
    lr: float
    weight_decay: float


def decaying(model: PreTrainedModel) -> set[str]:
    """Names of the weights that decay: no biases, no norms."""
    import torch
    from transformers.trainer_pt_utils import get_parameter_names

    return set(get_parameter_names(model, [torch.nn.LayerNorm], list(_NO_DECAY)))


def optimizer(model: PreTrainedModel, train: Train) -> torch.optim.Optimizer:
    """The optimizer of a recipe over the weights that are trained, with a learning rate for each layer where asked."""
    kind, settings = _kind(model, train)
    groups = by_depth(model, train, decaying(unwrapped(model))) if train.layer_decay < 1 else _groups(model, train)
    # GaLore and Apollo bring groups of their own.
    made = kind(settings.pop("params", groups), **settings)
    if settings.get("optim_bits") == 8:
        _keep_embeddings_whole(model)
    return made


def _groups(model: PreTrainedModel, train: Train) -> list[WeightGroup]:
    decayed = decaying(model)
    trainable = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    return [
        {"params": [weight for name, weight in trainable if name in decayed], "weight_decay": train.weight_decay},
        {"params": [weight for name, weight in trainable if name not in decayed], "weight_decay": 0.0},
    ]


def _kind(model: PreTrainedModel, train: Train) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """The optimizer's class and its settings."""
    name = ADAMW if train.optimizer == "adamw" else train.optimizer
    if name == ADAMW:
        import torch

        # What Trainer's factory gives for it, without the seconds that importing Trainer takes.
        betas = (float(train.adam_beta1), float(train.adam_beta2))
        settings = {"lr": float(train.learning_rate), "betas": betas, "eps": float(train.adam_epsilon), "fused": True}
        return torch.optim.AdamW, settings | dict(train.optimizer_args)
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(
        optim=name,
        optim_args=",".join(f"{key}={value}" for key, value in train.optimizer_args.items()) or None,
        # Of those whose optimizer wants to be told: every linear layer.
        optim_target_modules="all-linear" if name.startswith(("galore", "apollo")) else None,
        learning_rate=float(train.learning_rate),
        adam_beta1=float(train.adam_beta1),
        adam_beta2=float(train.adam_beta2),
        adam_epsilon=float(train.adam_epsilon),
        use_cpu=next(model.parameters()).device.type == "cpu",
        report_to="none",
    )
    kind, settings = Trainer.get_optimizer_cls_and_kwargs(arguments, model)
    # The factory passes over some of an optimizer's settings.
    known = inspect.signature(kind).parameters
    missed = {key: value for key, value in train.optimizer_args.items() if key in known and key not in settings}
    return kind, settings | missed


def _keep_embeddings_whole(model: PreTrainedModel) -> None:
    """bitsandbytes keeps 32 bits of an embedding's moments: few of its rows are in a batch (Dettmers et al. 2022)."""
    import torch
    from bitsandbytes.optim import GlobalOptimManager  # type: ignore[import-not-found]  # an extra

    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            GlobalOptimManager.get_instance().register_module_override(module, "weight", {"optim_bits": 32})


def schedule(optimizer: torch.optim.Optimizer, train: Train, steps: int, direction: str) -> LRScheduler:
    """The schedule of a run of so many steps. Raises BadInput where its settings are refused."""
    from transformers import get_scheduler

    settings = schedule_settings(train, steps, direction)
    try:
        made: LRScheduler = get_scheduler(
            schedule_name(train), optimizer, warmup_steps(train, steps), steps, scheduler_specific_kwargs=settings
        )
        return made
    except (ValueError, TypeError) as error:
        raise BadInput(f"{train.schedule} cannot be made ({error})", where="train.schedule_args") from error


def schedule_name(train: Train) -> str:
    warm = bool(train.warmup_steps or train.warmup_ratio)
    return "constant_with_warmup" if train.schedule == "constant" and warm else train.schedule


def by_depth(model: PreTrainedModel, train: Train, decayed: Collection[str]) -> list[WeightGroup]:
    """Groups of weights with a learning rate each: lr · layer_decay^(top − depth), the head first.

    As ELECTRA (Clark et al. 2020, `layerwise_lr_decay`) and BEiT (Bao et al. 2021) are fine-tuned: each layer learns
    a little less than the one above it, embeddings the least. In an encoder-decoder the decoder stands on the encoder.
    """
    build = anatomy(model)
    groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = {}
    for name, weight in unwrapped(model).named_parameters():
        if weight.requires_grad:
            place = build.depth(name), name in decayed
            groups.setdefault(place, []).append(weight)
    return [
        {
            "params": weights,
            "lr": train.learning_rate * train.layer_decay ** (build.top - depth),
            "weight_decay": train.weight_decay if decays else 0.0,
        }
        for (depth, decays), weights in sorted(groups.items(), key=lambda item: (-item[0][0], not item[0][1]))
    ]


def schedule_settings(train: Train, steps: int, direction: str) -> dict[str, object]:
    """`train.schedule_args` with what a schedule of `steps` needs and the recipe leaves open."""
    given: dict[str, object] = dict(train.schedule_args)
    if train.schedule == "warmup_stable_decay":
        given.setdefault("num_decay_steps", -(-steps // _SHARE_OF_DECAY))
    if train.schedule in WATCHING:
        given["mode"] = direction
    if train.schedule == "greedy":
        # Its own bounds, 1e-3 and 1, are not for fine-tuning.
        given = {"min_lr": 0.0, "max_lr": train.learning_rate} | given
    return given


@dataclass
class Penalty:
    """L1 and L2 over the weights that are trained and decay (no biases, no norms): l1·Σ|w| + l2/2·Σw².

    Its gradient, l1·sign(w) + l2·w, is added once to that of the whole step. So it is the same however many batches a
    step has, and exact in half precision: the weights are fp32.
    """

    l1: float
    l2: float
    weights: list[torch.nn.Parameter] = field(default_factory=list)

    @classmethod
    def of(cls, model: PreTrainedModel, train: Train) -> Penalty | None:
        """None where a recipe asks for neither."""
        if not (train.l1 or train.l2):
            return None
        kept = decaying(model)
        named = model.named_parameters()
        return cls(train.l1, train.l2, [weight for name, weight in named if name in kept and weight.requires_grad])

    def add(self) -> torch.Tensor:
        """Add the gradient to that of the loss. Returns the penalty, a scalar on the weights' device."""
        import torch

        moved = [(weight, weight.grad) for weight in self.weights if weight.grad is not None]
        total = torch.zeros((), device=moved[0][0].device if moved else None)
        with torch.no_grad():
            for weight, gradient in moved:
                if self.l1:
                    total += self.l1 * weight.abs().sum()
                    gradient.add_(weight.sign(), alpha=self.l1)
                if self.l2:
                    total += self.l2 / 2 * weight.square().sum()
                    gradient.add_(weight, alpha=self.l2)
        return total
