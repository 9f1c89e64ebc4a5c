"""The optimizer and its schedule as a recipe asks for them, made by Trainer's own factories."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from workbench.errors import BadInput
from workbench.recipe import Train
from workbench.train.anatomy import anatomy, unwrapped
from workbench.train.choices import ADAMW, WATCHING

_SHARE_OF_DECAY: Final = 10  # warmup_stable_decay goes down over a tenth of the steps, unless it is told otherwise


def optimizer_name(train: Train) -> str:
    """By Trainer's name."""
    return ADAMW if train.optimizer == "adamw" else train.optimizer


def optimizer_text(train: Train) -> str | None:
    """`train.optimizer_args` as Trainer reads them."""
    said = ",".join(f"{key}={value}" for key, value in train.optimizer_args.items())
    return said or None


def schedule_name(train: Train) -> str:
    warm = bool(train.warmup_steps or train.warmup_ratio)
    return "constant_with_warmup" if train.schedule == "constant" and warm else train.schedule


def with_arguments(made: tuple[Any, dict[str, Any]], train: Train) -> tuple[Any, dict[str, Any]]:
    """The optimizer's class and settings, with what Trainer's factory has passed over of the recipe's."""
    kind, settings = made
    known = inspect.signature(kind).parameters
    missed = {key: value for key, value in train.optimizer_args.items() if key in known and key not in settings}
    return kind, settings | missed


def by_depth(model: Any, train: Train, decaying: Iterable[str]) -> list[dict[str, Any]]:
    """Groups of weights with a learning rate each: lr · layer_decay^(top − depth), the head first.

    As ELECTRA (Clark et al. 2020, `layerwise_lr_decay`) and BEiT (Bao et al. 2021) are fine-tuned: each layer learns
    a little less than the one above it, embeddings the least. In an encoder-decoder the decoder stands on the encoder.
    """
    build = anatomy(model)
    groups: dict[tuple[int, bool], list[Any]] = {}
    decayed = set(decaying)
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


def schedule_settings(train: Train, steps: int, direction: str) -> dict[str, Any]:
    """`train.schedule_args` with what a schedule of `steps` needs and the recipe leaves open."""
    given: dict[str, Any] = dict(train.schedule_args)
    if train.schedule == "warmup_stable_decay":
        given.setdefault("num_decay_steps", -(-steps // _SHARE_OF_DECAY))
    if train.schedule in WATCHING:
        given["mode"] = direction
    if train.schedule == "greedy":
        # Its own bounds, 1e-3 and 1, are not for fine-tuning.
        given = {"min_lr": 0.0, "max_lr": train.learning_rate} | given
    return given


def making(schedule: Callable[[], Any], train: Train) -> Any:
    """What `schedule` gives. Raises BadInput where the schedule refuses its settings."""
    try:
        return schedule()
    except (ValueError, TypeError) as error:
        raise BadInput(f"{train.schedule} cannot be made ({error})", where="train.schedule_args") from error


@dataclass
class Penalty:
    """L1 and L2 over the weights that are trained and decay (no biases, no norms): l1·Σ|w| + l2/2·Σw².

    Its gradient, l1·sign(w) + l2·w, is added once to that of the whole step. So it is the same however many batches a
    step has, and exact in half precision: the weights are fp32.
    """

    l1: float
    l2: float
    weights: list[Any] = field(default_factory=list)

    def add(self, scale: float = 1.0) -> Any:
        """Add the gradient, times the loss scale of fp16. Returns the penalty, a scalar on the weights' device."""
        import torch

        learnt = [weight for weight in self.weights if weight.grad is not None]
        total = torch.zeros((), device=learnt[0].device if learnt else None)
        with torch.no_grad():
            for weight in learnt:
                if self.l1:
                    total += self.l1 * weight.abs().sum()
                    weight.grad.add_(weight.sign(), alpha=self.l1 * scale)
                if self.l2:
                    total += self.l2 / 2 * weight.square().sum()
                    weight.grad.add_(weight, alpha=self.l2 * scale)
        return total
