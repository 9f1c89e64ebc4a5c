"""transformers' Trainer, with our order of rows, our evaluation, our checkpoints and our log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

import torch
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import TrainerControl

from workbench.recipe import Train
from workbench.tasks import Loss
from workbench.tasks.rows import Collator, TokenRows
from workbench.train import adapters, optim
from workbench.train.anatomy import unwrapped
from workbench.train.chance import RepeatableCollator, undisturbed
from workbench.train.choices import WATCHING
from workbench.train.memory import divisible, make_room, pieces, rows_of
from workbench.train.order import EpochOrder
from workbench.train.ranks import Ranks
from workbench.train.standing import Rule

_UNJUDGED: Final = Rule(None, "min")


class Hooks(Protocol):
    """What a run does where Trainer would log, judge and save in its own way."""

    def evaluate(self) -> dict[str, float]: ...

    def save(self) -> None: ...

    def short_of_memory(self) -> None: ...


class RunTrainer(Trainer):  # type: ignore[misc]  # transformers has no types
    """Trains; leaves judging and saving to `hooks`.

    `draws` says that the collator draws random numbers. `step_loss` and `step_tokens` are sums over the batches of
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
        train: Train | None = None,
        rule: Rule = _UNJUDGED,
    ) -> None:
        self.hooks: Hooks | None = None
        self.step_loss: torch.Tensor | None = None
        self.step_tokens: torch.Tensor | None = None
        self.grad_norm: torch.Tensor | float | None = None
        self.step_penalty: torch.Tensor | None = None
        # How many parts each batch is computed in: more than one where memory did not hold it whole.
        self.pieces = 1
        # The value that a schedule is still to be told of, from an evaluation that came before training.
        self.owed: dict[str, float] = {}
        self._recipe, self._rule = train or Train(), rule
        self._penalty: optim.Penalty | None = None
        self._begun: list[dict[str, Any]] = []
        together = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
        together *= max(1, arguments.world_size)
        self.order = EpochOrder(rows.lengths, together, seed=arguments.seed, grouped=grouped)
        self.keeps_cache = bool(getattr(model.config, "use_cache", True))
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=rows,
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
        # Knows shards, which a large model is saved in.
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

    def create_optimizer(self, model: Any = None) -> Any:
        train = self._recipe
        if self.optimizer is None and (train.layer_decay < 1 or train.optimizer_args):
            chosen = optim.with_arguments(self.get_optimizer_cls_and_kwargs(self.args, self.model), train)
            if train.layer_decay < 1:
                whole = unwrapped(self.model)
                chosen[1]["params"] = optim.by_depth(self.model, train, self.get_decay_parameter_names(whole))
            self.optimizer_cls_and_kwargs = chosen
        if train.l1 or train.l2:
            kept = set(self.get_decay_parameter_names(self.model))
            named = self.model.named_parameters()
            weights = [weight for name, weight in named if name in kept and weight.requires_grad]
            self._penalty = optim.Penalty(train.l1, train.l2, weights)
        return super().create_optimizer(model)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        self.args.lr_scheduler_kwargs = optim.schedule_settings(self._recipe, num_training_steps, self._rule.direction)
        made = super().create_scheduler
        return optim.making(lambda: made(num_training_steps, optimizer), self._recipe)

    def _prepare_for_training(self, *parts: Any, **options: Any) -> Any:
        prepared = super()._prepare_for_training(*parts, **options)
        owed, self.owed = self.owed, {}
        self._tell_schedule(owed)
        return prepared

    def _tell_schedule(self, scalars: dict[str, float]) -> None:
        """A schedule that follows the evaluation takes a step with each."""
        watched = self._rule.metric
        if self._recipe.schedule in WATCHING and watched in scalars:
            self.lr_scheduler.step(scalars[watched])

    def _evaluate(self, *rest: Any, **options: Any) -> dict[str, float]:
        scalars = self.evaluate()
        self._tell_schedule(scalars)
        return scalars

    def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> torch.Tensor:
        loss = self._remembered(model, inputs, *rest, **options)
        if self._penalty is not None and self.accelerator.sync_gradients:
            scaler = getattr(self.accelerator, "scaler", None)
            self.step_penalty = self._penalty.add(1.0 if scaler is None else scaler.get_scale())
        return loss

    def _remembered(self, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> torch.Tensor:
        """One batch of the step; where memory runs out, all of the step so far once more, in smaller pieces."""
        if not self._recipe.oom_recovery or self.args.world_size > 1:
            return self._batch(model, inputs, *rest, **options)
        self._begun.append(inputs)
        loss = self._held(model, [inputs], *rest, **options)
        while loss is None:
            self.step_loss = self.step_tokens = None
            loss = self._held(model, self._begun, *rest, **options)
        if self.accelerator.sync_gradients:
            self._begun = []
        return loss

    def _held(self, model: Any, batches: list[dict[str, Any]], *rest: Any, **options: Any) -> torch.Tensor | None:
        """The loss of the last of the batches; None where memory has run out and smaller pieces may fit."""
        try:
            for inputs in batches:
                loss = self._batch(model, inputs, *rest, **options)
            return loss
        except torch.OutOfMemoryError:
            if self.pieces >= rows_of(self._begun[-1]) or not all(divisible(batch) for batch in self._begun):
                raise
        # Only now, when no frame of the failed pass is held any more, is there memory to give back.
        model.zero_grad()
        make_room()
        self.pieces *= 2
        assert self.hooks is not None, "the hooks come before training"
        self.hooks.short_of_memory()
        return None

    def _batch(self, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> torch.Tensor:
        if self.pieces == 1:
            return self._piece(model, inputs, *rest, **options)
        losses = [self._piece(model, piece, *rest, **options) for piece in pieces(inputs, self.pieces)]
        return torch.stack(losses).sum()

    def _piece(self, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> torch.Tensor:
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
