"""At the end of every step: write it down, and see whether it is time to judge, to save or to stop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from workbench.recipe import Recipe
from workbench.train.journal import Journal
from workbench.train.meter import Meter, Step
from workbench.train.ranks import Ranks
from workbench.train.stopping import StopRequest


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What falls due at which optimizer step. 0 is never."""

    per_epoch: int
    total: int
    evaluate_every: int
    save_every: int | Literal["evaluation"]

    @classmethod
    def of(cls, recipe: Recipe, *, per_epoch: int, total: int, judged: bool) -> Rhythm:
        """`judged` is whether there are rows to evaluate on."""
        steps = {"epoch": per_epoch, "never": 0}
        every = recipe.evaluate.every
        evaluate = (steps[every] if isinstance(every, str) else every) if judged else 0
        save = recipe.train.save_every
        if save == "evaluation":
            return cls(per_epoch, total, evaluate, "evaluation" if evaluate else per_epoch)
        return cls(per_epoch, total, evaluate, steps[save] if isinstance(save, str) else save)

    def evaluation_due(self, step: int) -> bool:
        return bool(self.evaluate_every) and (step % self.evaluate_every == 0 or step == self.total)

    def save_due(self, step: int) -> bool:
        if self.save_every == "evaluation":
            return self.evaluation_due(step)
        return bool(self.save_every) and (step % self.save_every == 0 or step == self.total)


class RunCallback(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Everything is decided at the end of a step, so that a checkpoint there is the whole truth."""

    def __init__(self, journal: Journal, stop: StopRequest, rhythm: Rhythm) -> None:
        self._journal, self._stop, self._rhythm = journal, stop, rhythm
        self._learning_rate = 0.0
        self.stopped: str | None = None

    def attach(self, trainer: Any, ranks: Ranks, meter: Meter) -> None:
        """The parts that are there only once the trainer is."""
        self._trainer, self._ranks, self._meter = trainer, ranks, meter

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        self._trainer.order.begin(state.global_step // self._rhythm.per_epoch)

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        self._learning_rate = float(parts["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any) -> None:
        self._record(state)
        reason = self._stop.reason
        step = state.global_step
        boundary = self._rhythm.evaluation_due(step) or self._rhythm.save_due(step) or step >= self._rhythm.total
        stopping, writing = self._ranks.any(reason is not None, self._meter.due)
        if writing or stopping or boundary:
            self._meter.flush()
        control.should_evaluate = self._rhythm.evaluation_due(step)
        control.should_save = self._rhythm.save_due(step)
        if stopping:
            self.end(step, control)

    def end(self, step: int, control: TrainerControl) -> None:
        """Have the step saved and training ended. Asked again, says it once."""
        if self.stopped is None:
            self.stopped = self._stop.reason or "asked to"
            self._journal.write("stopping", step=step, reason=self.stopped)
        # An evaluation that is due comes first when the run goes on: whoever asked does not wait for it.
        control.should_save = control.should_training_stop = True

    def _record(self, state: TrainerState) -> None:
        trainer = self._trainer
        self._meter.add(
            Step(
                step=state.global_step,
                epoch=state.epoch,
                t=time.time(),
                learning_rate=self._learning_rate,
                loss=trainer.step_loss,
                grad_norm=trainer.grad_norm,
                tokens=trainer.step_tokens,
                penalty=trainer.step_penalty,
            )
        )
        trainer.step_loss = trainer.step_tokens = trainer.grad_norm = trainer.step_penalty = None
