"""What falls due at which optimizer step: an evaluation, a checkpoint, the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from workbench.recipe import Recipe, Train


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Counted in optimizer steps. An interval of 0 means never."""

    per_epoch: int
    total: int
    evaluate_every: int
    save_every: int | Literal["evaluation"]

    @classmethod
    def of(cls, recipe: Recipe, *, per_epoch: int, total: int, evaluated: bool) -> Rhythm:
        """`evaluated` is whether there are rows to evaluate on."""
        steps = {"epoch": per_epoch, "never": 0}
        every = recipe.evaluate.every
        evaluate = (steps[every] if isinstance(every, str) else every) if evaluated else 0
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


def total_steps(train: Train, per_epoch: int) -> int:
    """Optimizer steps of a whole run: `max_steps`, or `epochs` rounded up to whole steps."""
    return train.max_steps or max(1, -int(-train.epochs * per_epoch // 1))


def warmup_steps(train: Train, total: int) -> int:
    """Steps in which the learning rate rises, of a run of so many."""
    return train.warmup_steps if train.warmup_ratio is None else math.ceil(total * train.warmup_ratio)
