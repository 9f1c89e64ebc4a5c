"""transformers' Trainer, with our order of rows, our evaluation, our checkpoints and our log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import TrainerControl

from workbench.tasks import Loss
from workbench.tasks.rows import Collator, TokenRows
from workbench.train import adapters
from workbench.train.chance import RepeatableCollator, RepeatableRows, undisturbed
from workbench.train.order import EpochOrder
from workbench.train.ranks import Ranks


class Hooks(Protocol):
    """What a run does where Trainer would log, judge and save in its own way."""

    def evaluate(self) -> dict[str, float]: ...

    def save(self) -> None: ...


class RunTrainer(Trainer):  # type: ignore[misc]  # transformers has no types
    """Trains; leaves judging and saving to `hooks`.

    `draws` says that rows or collator draw random numbers. `step_loss` and `step_tokens` are sums over the batches of
    the step at hand, on the device; `grad_norm` is that of the step before its gradients were clipped.
    """

    def __init__(
        self,
        model: Any,
        arguments: TrainingArguments,
        rows: TokenRows,
        collator: Collator,
        loss: Loss | None,
        *,
        grouped: bool,
        draws: bool = False,
    ) -> None:
        self.hooks: Hooks | None = None
        self.step_loss: torch.Tensor | None = None
        self.step_tokens: torch.Tensor | None = None
        self.grad_norm: torch.Tensor | float | None = None
        together = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
        together *= max(1, arguments.world_size)
        self.order = EpochOrder(rows.lengths, together, seed=arguments.seed, grouped=grouped)
        self.keeps_cache = bool(getattr(model.config, "use_cache", True))
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=RepeatableRows(rows, self.order) if draws else rows,
            data_collator=RepeatableCollator(collator, self.order) if draws else collator,
            compute_loss_func=loss,
        )

    def save_weights(self, tokenizer: Any, directory: Path) -> None:
        """The model and its tokenizer as `from_pretrained` reads them. Raises OSError and SafetensorError."""
        config = self.model.config
        # Trainer turns the cache off for training; whoever generates with these weights wants it.
        config.use_cache, training = self.keeps_cache, config.use_cache
        try:
            if adapters.is_adapted(self.model):
                adapters.save(self.model, directory)
            else:
                self.model.save_pretrained(directory)
        finally:
            config.use_cache = training
        tokenizer.save_pretrained(directory)

    def load_weights(self, directory: Path) -> None:
        """Put back what `save_weights` has written. Raises OSError and SafetensorError."""
        if adapters.is_adapted(self.model):
            adapters.load(self.model, directory)
            return
        super()._load_from_checkpoint(str(directory))
        self.model.tie_weights()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self.load_weights(Path(resume_from_checkpoint))

    def join(self, processes: int) -> Ranks:
        """The processes of the run, each sure of the others. Raises WorkbenchError where one is missing."""
        return Ranks.of_environment().joined(processes)

    def steps_per_epoch(self) -> int:
        """Optimizer steps to a pass over the rows."""
        arguments = self.args
        rows = len(self.order)
        batches = -(-rows // (arguments.per_device_train_batch_size * max(1, arguments.world_size)))
        return max(1, -(-int(batches) // int(arguments.gradient_accumulation_steps)))

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochOrder:
        return self.order

    def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(model, inputs, *rest, **options)
        mask = inputs.get("attention_mask")
        tokens = torch.tensor(inputs["input_ids"].numel()) if mask is None else mask.sum()
        self.step_loss = loss if self.step_loss is None else self.step_loss + loss
        self.step_tokens = tokens if self.step_tokens is None else self.step_tokens + tokens
        return loss

    def _get_grad_norm(self, *rest: Any, **options: Any) -> Any:
        self.grad_norm = super()._get_grad_norm(*rest, **options)
        return self.grad_norm

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        # Trainer counts the parameters anew at every batch for a figure that we do not show.
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Nothing: the callback logs."""

    def evaluate(self, *rest: Any, **options: Any) -> dict[str, float]:
        assert self.hooks is not None, "the hooks come before training"
        with undisturbed():
            scalars = self.hooks.evaluate()
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, scalars)
        return scalars

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        assert self.hooks is not None, "the hooks come before training"
        with undisturbed():
            self.hooks.save()
