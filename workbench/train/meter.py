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

from workbench.contracts.events import StepEvent
from workbench.core.errors import WorkbenchError
from workbench.train.ranks import Ranks
from workbench.train.run_log import Journal

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
            hint="lower train.learning_rate, warm up longer, or use another train.precision",
        )


@dataclass(slots=True)
class Step:
    """One optimizer step; the tensors are scalars, still where they were made.

    `penalty` is that of L1 and L2, beside the loss. `tokens` are those of this process, padding left out.
    """

    step: int
    epoch: float
    t: float
    learning_rate: float
    loss: torch.Tensor
    grad_norm: torch.Tensor
    tokens: int
    penalty: torch.Tensor | None = None


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
        for step, numbers in zip(steps, self._numbers(steps), strict=True):
            self._write(step, *numbers)

    def _numbers(self, steps: list[Step]) -> list[list[float]]:
        """[tokens, loss, gradient norm, and penalty if any] of each step, over the processes: the sum of the tokens,
        the mean of the others. The one place where training waits for the device."""
        if self._ranks.world == 1 and not self._on_gpu:
            # What is in host memory is read at once: a CPU writes every step, and stacking costs twice as much.
            return [[float(step.tokens), *map(float, _scalars(step))] for step in steps]
        measured = torch.stack([torch.stack([one.float() for one in _scalars(step)]) for step in steps]).cpu().double()
        tokens = torch.tensor([[step.tokens] for step in steps], dtype=torch.float64)
        together = self._ranks.sum(torch.cat([tokens, measured], 1))
        together[:, 1:] /= self._ranks.world
        numbers: list[list[float]] = together.tolist()
        return numbers

    def _write(self, step: Step, tokens: float, loss: float, grad_norm: float, penalty: float | None = None) -> None:
        self.tokens += int(tokens)
        scalars = {"train/loss": loss, "train/learning_rate": step.learning_rate, "train/grad_norm": grad_norm}
        if penalty is not None:
            scalars["train/penalty"] = penalty
        self._journal.write(
            StepEvent(t=step.t, step=step.step, epoch=round(step.epoch, 6), tokens=self.tokens, scalars=scalars)
        )
        self.healthy = math.isfinite(loss) and math.isfinite(grad_norm)
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


def _scalars(step: Step) -> list[torch.Tensor]:
    return [step.loss, step.grad_norm] + ([] if step.penalty is None else [step.penalty])
