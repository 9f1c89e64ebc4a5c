"""A recipe in the words of transformers' Trainer.

When to log, evaluate and save is not among them: our callback decides that, at the end of a step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from transformers.trainer_utils import SchedulerType

from workbench.recipe import Recipe
from workbench.train import optim
from workbench.train.device import Device


def training_arguments(recipe: Recipe, device: Device, output: Path) -> TrainingArguments:
    train = recipe.train
    warmup = train.warmup_steps if train.warmup_ratio is None else train.warmup_ratio
    made = TrainingArguments(
        output_dir=str(output),
        num_train_epochs=float(train.epochs),
        max_steps=train.max_steps or -1,
        per_device_train_batch_size=train.batch_size,
        per_device_eval_batch_size=recipe.evaluate.batch_size or train.batch_size,
        gradient_accumulation_steps=train.gradient_accumulation,
        learning_rate=float(train.learning_rate),
        optim=optim.optimizer_name(train),
        optim_args=optim.optimizer_text(train),
        # Of those whose optimizer wants to be told: every linear layer.
        optim_target_modules="all-linear" if train.optimizer.startswith(("galore", "apollo")) else None,
        adam_beta1=float(train.adam_beta1),
        adam_beta2=float(train.adam_beta2),
        adam_epsilon=float(train.adam_epsilon),
        weight_decay=float(train.weight_decay),
        warmup_steps=warmup,
        max_grad_norm=float(train.max_grad_norm),
        neftune_noise_alpha=train.neftune_alpha,
        activation_checkpointing=train.activation_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if train.activation_checkpointing else None,
        torch_compile=train.compile,
        bf16=device.precision == "bf16",
        fp16=device.precision == "fp16",
        use_cpu=device.kind == "cpu",
        seed=recipe.seed,
        data_seed=recipe.seed,
        dataloader_num_workers=train.workers,
        dataloader_pin_memory=device.kind == "cuda",
        **_ours(recipe, device),
    )
    # Set afterwards: one that follows the evaluation is refused where Trainer does not time it.
    made.lr_scheduler_type = SchedulerType(optim.schedule_name(train))
    return made


def _ours(recipe: Recipe, device: Device) -> dict[str, Any]:
    """What the recipe has no say in."""
    fixed: dict[str, Any] = {
        "logging_strategy": "no",
        "eval_strategy": "no",
        "save_strategy": "no",
        "disable_tqdm": True,
        "report_to": "none",
        "logging_nan_inf_filter": False,
        "remove_unused_columns": False,
        "push_to_hub": False,
    }
    if recipe.launch.processes > 1:
        fixed["ddp_find_unused_parameters"] = False
        if device.kind == "cpu":
            fixed["ddp_backend"] = "gloo"
    return fixed
