"""Every step's loss, learning rate, gradient norm and tokens on their way to the log.

On a CPU a step is written as soon as it is done. On a GPU reading a number means waiting for all that was asked of it:
the numbers stay there, and every 0.5 s those of many steps are fetched at once.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

import torch

from workbench.errors import WorkbenchError
from workbench.train.journal import Journal
from workbench.train.ranks import Ranks

_PATIENCE: Final = 5  # non-finite losses in a row that end a run
_EVERY: Final = 0.5  # seconds
_MOST: Final = 200  # steps


class Diverged(WorkbenchError):
    """The loss has been NaN or infinite for several steps."""

    exit_code = 3

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(
            f"the loss is not a number since step {step}",
            mend="lower train.learning_rate, warm up longer, or use another train.precision",
        )


@dataclass(slots=True)
class Step:
    """One optimizer step; the tensors are scalars, still where they were made."""

    step: int
    epoch: float
    t: float
    learning_rate: float
    loss: torch.Tensor
    grad_norm: torch.Tensor | float | None
    tokens: torch.Tensor
    penalty: torch.Tensor | None = None  # of L1 and L2, beside the loss


class Meter:
    """Takes in steps and writes them. `tokens` counts those of all steps written so far, padding left out."""

    def __init__(self, journal: Journal, ranks: Ranks, *, on_gpu: bool, tokens: int = 0) -> None:
        self._journal, self._ranks, self._on_gpu = journal, ranks, on_gpu
        self._waiting: list[Step] = []
        self._flushed = time.monotonic()
        self._bad_since: int | None = None
        self.tokens = tokens
        self.healthy = True

    @property
    def due(self) -> bool:
        """Whether this process finds that it is time to write."""
        return not self._on_gpu or len(self._waiting) >= _MOST or time.monotonic() - self._flushed >= _EVERY

    def add(self, step: Step) -> None:
        self._waiting.append(step)

    def flush(self) -> None:
        """Write the steps that wait. All processes must call it together. Raises Diverged."""
        if not self._waiting:
            return
        steps, self._waiting = self._waiting, []
        self._flushed = time.monotonic()
        for step, (loss, tokens, norm) in zip(steps, self._numbers(steps), strict=True):
            self._write(step, loss, int(tokens), None if step.grad_norm is None else norm)

    def _numbers(self, steps: list[Step]) -> list[list[float]]:
        """[loss, tokens, gradient norm] of each step: mean, sum and own value over the processes."""
        if len(steps) == 1 and self._ranks.world == 1:
            (step,) = steps
            return [[float(step.loss), float(step.tokens), 0.0 if step.grad_norm is None else float(step.grad_norm)]]
        device = steps[0].loss.device
        columns = (
            torch.stack([step.loss for step in steps]).double(),
            torch.stack([step.tokens for step in steps]).double(),
            torch.stack([_tensor(step.grad_norm, device) for step in steps]).double(),
        )
        summed = self._ranks.sum(torch.stack(columns, 1)) / torch.tensor([self._ranks.world, 1, self._ranks.world])
        numbers: list[list[float]] = summed.tolist()
        return numbers

    def _write(self, step: Step, loss: float, tokens: int, grad_norm: float | None) -> None:
        self.tokens += tokens
        scalars = {"train/loss": loss, "train/learning_rate": step.learning_rate}
        if grad_norm is not None:
            scalars["train/grad_norm"] = grad_norm
        if step.penalty is not None:
            scalars["train/penalty"] = float(step.penalty)
        self._journal.write(
            "step", t=step.t, step=step.step, epoch=round(step.epoch, 6), tokens=self.tokens, scalars=scalars
        )
        self.healthy = math.isfinite(loss) and (grad_norm is None or math.isfinite(grad_norm))
        self._watch(step.step, loss)

    def _watch(self, step: int, loss: float) -> None:
        if math.isfinite(loss):
            self._bad_since = None
            return
        if self._bad_since is None:
            self._bad_since = step
            self._journal.warn("non-finite-loss", f"the loss of step {step} is {loss}")
        if step - self._bad_since + 1 >= _PATIENCE:
            raise Diverged(self._bad_since)


def _tensor(norm: torch.Tensor | float | None, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(0.0 if norm is None else norm, device=device)
