"""Optimizers and schedules: what each needs and takes, said before torch is imported.

The names are Trainer's (`OptimizerNames`, `SchedulerType`). Left out are optimizers of other hardware
(`adamw_torch_xla`, `adamw_torch_npu_fused`), one whose package is no longer kept (`adamw_anyprecision`, torchdistx),
and those that could not be resumed exactly: the layer-wise ones and LOMO step within the backward pass, and their state
is in no checkpoint; schedule-free ones keep two sets of weights, of which a checkpoint would hold one.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from typing import Final

from workbench.core.suggest import nearest
from workbench.recipe import Recipe, Train
from workbench.tasks.spec import spec_of
from workbench.train import liger

ADAMW: Final = "adamw_torch_fused"

LEFT_OUT: Final = frozenset(
    {
        "adamw_torch_xla", "adamw_torch_npu_fused", "adamw_anyprecision", "lomo", "adalomo",
        "galore_adamw_layerwise", "galore_adamw_8bit_layerwise", "galore_adafactor_layerwise",
        "apollo_adamw_layerwise", "schedule_free_radam", "schedule_free_adamw", "schedule_free_sgd",
    }
)  # fmt: skip

# What an optimizer is imported from, and what is installed for it.
_PACKAGES: Final[Mapping[str, tuple[str, str]]] = {
    "_bnb": ("bitsandbytes", "bitsandbytes"),
    "lion": ("bitsandbytes", "bitsandbytes"),
    "ademamix": ("bitsandbytes", "bitsandbytes"),
    "paged_": ("bitsandbytes", "bitsandbytes"),
    "adamw_8bit": ("bitsandbytes", "bitsandbytes"),
    "adamw_torch_4bit": ("torchao", "torchao"),
    "adamw_torch_8bit": ("torchao", "torchao"),
    "galore": ("galore_torch", "galore-torch"),
    "apollo": ("apollo_torch", "apollo-torch"),
    "grokadamw": ("grokadamw", "grokadamw"),
    "stable_adamw": ("optimi", "torch-optimi"),
}

_ADAMW_ARGS: Final = ("amsgrad", "maximize")
_GALORE_ARGS: Final = ("rank", "update_proj_gap", "scale", "proj_type")
_ADEMAMIX_ARGS: Final = ("beta1", "beta2", "beta3", "alpha", "eps", "t_alpha", "t_beta3")

# train.optimizer_args by optimizer; those not named here take none.
OPTIMIZER_ARGS: Final[Mapping[str, tuple[str, ...]]] = {
    "adamw": _ADAMW_ARGS,
    "adamw_torch": _ADAMW_ARGS,
    "adamw_torch_fused": _ADAMW_ARGS,
    "sgd": ("momentum", "dampening", "nesterov"),
    "adagrad": ("lr_decay", "eps", "initial_accumulator_value"),
    "rmsprop": ("momentum", "alpha", "eps", "centered"),
    "adafactor": ("clip_threshold", "decay_rate", "beta1", "scale_parameter"),
    "adamw_torch_4bit": ("block_size", "bf16_stochastic_round"),
    "adamw_torch_8bit": ("block_size", "bf16_stochastic_round"),
    "galore_adamw": _GALORE_ARGS,
    "galore_adamw_8bit": _GALORE_ARGS,
    "galore_adafactor": _GALORE_ARGS,
    "apollo_adamw": (*_GALORE_ARGS, "proj", "scale_type"),
    "grokadamw": ("alpha_init", "lamb", "gamma", "grokking_signal_decay_rate", "gradient_clipping"),
    "stable_adamw": ("decouple_lr", "max_lr", "kahan_sum"),
    "ademamix": _ADEMAMIX_ARGS,
    "ademamix_8bit": _ADEMAMIX_ARGS,
    "paged_ademamix_32bit": _ADEMAMIX_ARGS,
    "paged_ademamix_8bit": _ADEMAMIX_ARGS,
}

# train.schedule_args by schedule.
SCHEDULE_ARGS: Final[Mapping[str, tuple[str, ...]]] = {
    "linear": (),
    "constant": (),
    "constant_with_warmup": (),
    "cosine": ("num_cycles",),
    "cosine_with_restarts": ("num_cycles",),
    "polynomial": ("lr_end", "power"),
    "inverse_sqrt": ("timescale",),
    "cosine_with_min_lr": ("num_cycles", "min_lr", "min_lr_rate"),
    "cosine_warmup_with_min_lr": ("num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"),
    "warmup_stable_decay": (
        "num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles"
    ),
    "reduce_lr_on_plateau": ("factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps"),
    "greedy": (
        "factor", "patience", "threshold", "threshold_mode", "cooldown", "warmup", "min_lr", "max_lr", "eps", "smooth",
        "window_size", "reset_start",
    ),
}  # fmt: skip

# Those that look at how good the model is, and so need it to be evaluated.
WATCHING: Final = ("reduce_lr_on_plateau", "greedy")
_LOW_RANK: Final = ("galore", "apollo")


def problems(recipe: Recipe) -> list[str]:
    """Sentences on what cannot be trained as `[train]` asks on this machine. Imports none of the packages."""
    train = recipe.train
    return [
        *_method(recipe),
        *_optimizer(train),
        *_schedule(recipe),
        *_compiler(train),
        *_quantized(train),
        *liger.problems(recipe),
        *_sharded(recipe),
        *_padding_free(recipe),
    ]


def _method(recipe: Recipe) -> Iterator[str]:
    train = recipe.train
    if train.method != "full" and recipe.model.architecture:
        yield (
            "train.method: adapters on a model from scratch would leave its random weights as they are: "
            'use "full", or give model.name'
        )
    if train.batch_tokens is not None and train.padding == "max_length":
        yield "train.batch_tokens: its batches are padded to their longest row: leave train.padding out"
    if train.method != "full" and train.head_only:
        yield f"train.head_only: it leaves no layer to adapt: leave it out of {train.method}"


def _optimizer(train: Train) -> Iterator[str]:
    needed = next((package for part, package in _PACKAGES.items() if part in train.optimizer), None)
    if needed is not None and importlib.util.find_spec(needed[0]) is None:
        yield f"train.optimizer: {train.optimizer} needs a package that is not here: pip install {needed[1]}"
    yield from _unknown("train.optimizer_args", train.optimizer, train.optimizer_args, OPTIMIZER_ARGS)
    if train.layer_decay < 1 and train.optimizer.startswith(_LOW_RANK):
        yield f"train.layer_decay: {train.optimizer} groups the weights in its own way: use another optimizer"


def _schedule(recipe: Recipe) -> Iterator[str]:
    train, given = recipe.train, recipe.train.schedule_args
    yield from _unknown("train.schedule_args", train.schedule, given, SCHEDULE_ARGS)
    if "min_lr" in train.schedule and not {"min_lr", "min_lr_rate"} & set(given):
        yield f"train.schedule_args: {train.schedule} needs min_lr, or min_lr_rate as a share of the peak"
    if train.schedule == "polynomial" and float(given.get("lr_end", 1e-7)) >= train.learning_rate:
        yield "train.schedule_args: lr_end is to be below train.learning_rate"
    if train.schedule in WATCHING and recipe.evaluate.every == "never":
        yield f"train.schedule: {train.schedule} follows the evaluation: set evaluate.every"
    if train.schedule in WATCHING and (train.warmup_steps or train.warmup_ratio):
        yield f"train.warmup_steps: {train.schedule} has no warm-up: leave it out"


def _unknown(field: str, name: str, given: Mapping[str, object], known: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    there = known.get(name, ())
    for key in given:
        if key not in there:
            yield f"{field}: {name} has no {key!r}{nearest(key, there)}: it takes {', '.join(there) or 'none'}"


def _compiler(train: Train) -> Iterator[str]:
    if train.compile and not any(shutil.which(name) for name in ("cc", "gcc", "clang", "g++", "c++")):
        yield "train.compile: torch.compile needs a C++ compiler and there is none: install one, or leave it out"


def _quantized(train: Train) -> Iterator[str]:
    if train.method != "qlora":
        return
    if importlib.util.find_spec("bitsandbytes") is None:
        yield 'train.method: qlora needs bitsandbytes: pip install bitsandbytes, or use "lora"'
        return
    import torch

    if not torch.cuda.is_available():
        yield 'train.method: qlora needs a CUDA GPU and there is none here: use "lora"'


def _sharded(recipe: Recipe) -> Iterator[str]:
    train, launch = recipe.train, recipe.launch
    if launch.sharding == "none":
        return
    if launch.processes == 1:
        yield "launch.sharding: there is one process, which has nobody to divide with: set launch.processes"
    if train.method != "full":
        yield f'launch.sharding: {train.method} learns few weights, which are not divided: leave it out, or use "full"'
    if train.l1 or train.l2:
        yield "launch.sharding: penalties are not computed on divided weights: use train.weight_decay"
    if train.precision == "fp16":
        yield 'launch.sharding: the loss scale of fp16 is not divided: use "bf16", "fp32" or "auto"'
    if train.optimizer not in {"adamw", "adamw_torch", "adamw_torch_fused", "sgd"}:
        yield f"launch.sharding: {train.optimizer} does not work on divided weights: use adamw or sgd"


def _padding_free(recipe: Recipe) -> Iterator[str]:
    if not recipe.train.padding_free:
        return
    needs_padding = spec_of(recipe.task).needs_padding
    if needs_padding is not None:
        yield f"train.padding_free: {needs_padding}: leave it out"
    if recipe.train.compile:
        yield "train.padding_free: each batch has a shape of its own, to compile for: leave train.compile out"
    if recipe.launch.sharding != "none":
        yield "train.padding_free: divided embeddings cannot be looked up apart from the model: leave it out"
