"""The training loop: batch, forward, backward, clip, step, schedule, record.

It reads as transformers' no-trainer examples do, and computes what transformers' Trainer computes: after the same
batches from the same seed the weights are the same, bit for bit (tests/train/test_against_trainer.py). What is due
after a step (evaluate, save, stop) is for whoever asks for the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from workbench.tasks.shared.rows import Batch
from workbench.train.batches import Batches, StepBatches
from workbench.train.graphs import GraphedPasses
from workbench.train.memory import divisible, make_room, pieces, rows_of
from workbench.train.meter import Step
from workbench.train.optim import Penalty
from workbench.train.passes import Passes
from workbench.train.ranks import Ranks
from workbench.train.rhythm import Rhythm
from workbench.train.sharding import whole

if TYPE_CHECKING:
    from torch.optim.lr_scheduler import LRScheduler
    from transformers import PreTrainedModel


@dataclass
class Loop:
    """Moves the weights, a step at a time.

    `max_grad_norm` of 0 measures the gradients without clipping them. A `watching` schedule takes its steps with the
    evaluations. `short_of_memory` is told the step and the number of pieces that each batch is computed in
    from there on; without it, being out of memory ends the training.
    """

    model: PreTrainedModel
    passes: Passes | GraphedPasses
    batches: Batches
    rhythm: Rhythm
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    ranks: Ranks
    max_grad_norm: float
    watching: bool = False
    penalty: Penalty | None = None
    scaler: torch.amp.GradScaler | None = None
    short_of_memory: Callable[[int, int], None] | None = None
    pieces: int = 1

    def __post_init__(self) -> None:
        self._weights = [weight for weight in self.model.parameters() if weight.requires_grad]

    def steps(self, done: int = 0, restore: Callable[[], None] | None = None) -> Iterator[Step]:
        """Train from step `done` to the last one, and give each step when it is taken.

        `restore` puts back the generators of a checkpoint. It is called where the run it is of had come to in the
        epoch: beginning an epoch draws a number, so that in the middle of one this comes first.
        """
        self.model.train()
        epoch, skip = divmod(done, self.rhythm.per_epoch)
        while done < self.rhythm.total:
            if restore is not None and skip == 0:
                restore()
            steps = self.batches.epoch(epoch, skip)
            if restore is not None and skip > 0:
                restore()
            for work in steps:
                done += 1
                yield self.step(done, work)
                if done == self.rhythm.total:
                    return
            epoch, skip, restore = epoch + 1, 0, None

    def told(self, value: float | None) -> None:
        """What an evaluation found of the metric that is watched, if anything."""
        if self.watching and value is not None:
            self.schedule.step(value)  # type: ignore[arg-type]  # schedules that watch take the metric here

    def step(self, number: int, work: StepBatches) -> Step:
        """One optimizer step. Nothing in it waits for the device, but for what a schedule or fp16 may need."""
        loss = self._gradients(number, work)
        penalty = None
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.penalty is not None:
            penalty = self.penalty.add()
        norm = self._clip()
        learning_rate = float(self.optimizer.param_groups[0]["lr"])
        self._move()
        return Step(number, work.epoch, time.time(), learning_rate, loss, norm, work.tokens, penalty)

    def _gradients(self, number: int, work: StepBatches) -> torch.Tensor:
        """Compute the gradients of the step. Returns its loss.

        Where memory runs out, the whole step is computed once more: without CUDA graphs, which hold memory of their
        own, and where there were none, with each batch in smaller pieces.
        """
        items = self._items(work)
        while True:
            try:
                return self._all(work.batches, items)
            except torch.OutOfMemoryError:
                graphs = self._graphs_given_back()
                if not graphs and not self._can_be_cut(work.batches):
                    raise
            # Only now, when no frame of the failed pass is held any more, is there memory to give back.
            self._forget_gradients()
            make_room()
            if not graphs:
                self.pieces *= 2
                self._say_short(number)

    def _graphs_given_back(self) -> bool:
        """Whether there were CUDA graphs, which hold memory of their own, and are now gone."""
        recovers = self.short_of_memory is not None
        return recovers and isinstance(self.passes, GraphedPasses) and self.passes.give_back()

    def _say_short(self, number: int) -> None:
        if self.short_of_memory is not None:
            self.short_of_memory(number, self.pieces)

    def _items(self, work: StepBatches) -> torch.Tensor:
        """The labels of the step over all processes, on the device."""
        items = torch.tensor(work.items)
        if self.ranks.world > 1:
            items = self.ranks.sum(items)
        return self.passes.moved(items.pin_memory() if self.batches.pinned else items)

    def _all(self, batches: list[Batch], items: torch.Tensor) -> torch.Tensor:
        parts = [part for batch in batches for part in self._parts(batch)]
        with self.passes.apart():
            losses = [self.passes(part, items) for part in parts[:-1]]
        losses.append(self.passes(parts[-1], items))
        # In their order: a sum of floats depends on it.
        total = losses[0]
        for loss in losses[1:]:
            total = total + loss
        return total

    def _parts(self, batch: Batch) -> Iterator[Batch]:
        return iter([batch]) if self.pieces == 1 else pieces(batch, self.pieces)

    def _can_be_cut(self, batches: list[Batch]) -> bool:
        """Whether smaller pieces than those of now are possible. Several processes would have to agree on them."""
        most = max(rows_of(batch) for batch in batches)
        possible = self.short_of_memory is not None and self.ranks.world == 1 and self.pieces < most
        return possible and all(map(divisible, batches))

    def _clip(self) -> torch.Tensor:
        """The norm of the gradients before they are clipped, a scalar on the device."""
        if self.max_grad_norm > 0:
            return whole(torch.nn.utils.clip_grad_norm_(self._weights, self.max_grad_norm))
        return whole(
            torch.nn.utils.get_total_norm([weight.grad for weight in self._weights if weight.grad is not None])
        )

    def _move(self) -> None:
        """Let the optimizer move the weights and the schedule the learning rate."""
        if self.scaler is None:
            self.optimizer.step()
        else:
            # Leaves the weights alone where a gradient is infinite, and lowers the scale.
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if not self.watching:
            self.schedule.step()
        self._forget_gradients()

    def _forget_gradients(self) -> None:
        # A graph adds to the gradients where they were when it was captured.
        self.optimizer.zero_grad(set_to_none=not isinstance(self.passes, GraphedPasses))
