"""Forward and backward as one CUDA graph for each shape of batch.

A small model's step is hundreds of kernels of a few microseconds each, and what takes the time is to launch them one by
one. A graph launches all of them at once, and computes the same: the same kernels, on the same numbers, with dropout's
generator moved on as always (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).

Batches must come in few shapes for it to be worth its capture, so that they are padded to a multiple of `WIDTH` tokens.
Only those with a mask are captured. Without one transformers has the attention leave the mask out, but never in a
capture: the graph would have slower kernels than the step by itself, and a resumed run, whose first steps are taken one
by one, other bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final
from unittest.mock import patch

import torch

from workbench.tasks.shared.rows import Batch
from workbench.train.passes import Passes
from workbench.train.rng import undisturbed

WIDTH: Final = 16  # tokens
_WORTH: Final = 3  # batches of one shape before it is captured: they warm the kernels up
CAPTURED: Final = _WORTH + 1  # batches of one shape until it is
_MOST: Final = 64  # graphs: each holds some host memory, and a shape that comes seldom is not worth one

_Shape = tuple[tuple[str, torch.Size, torch.dtype], ...]


@dataclass(frozen=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    batch: Batch
    items: torch.Tensor
    loss: torch.Tensor

    def replay(self, batch: Batch, items: torch.Tensor) -> torch.Tensor:
        for name, tensor in batch.items():
            self.batch[name].copy_(tensor, non_blocking=True)
        self.items.copy_(items, non_blocking=True)
        self.graph.replay()
        # The next replay writes over it.
        return self.loss.clone()


@dataclass
class GraphedPasses:
    """Takes the place of `passes`. `said` is told, once, why there are no graphs where capturing fails.

    Gradients must stay where they are between steps: they are to be set to zero, not forgotten.
    """

    passes: Passes
    said: Callable[[str], None]
    _seen: Counter[_Shape] = field(default_factory=Counter)
    _graphs: dict[_Shape, _Captured] = field(default_factory=dict)
    _off: bool = False
    _probed: bool = False

    def __call__(self, batch: Batch, items: torch.Tensor) -> torch.Tensor:
        """As `Passes.__call__`."""
        shape = tuple((name, tensor.shape, tensor.dtype) for name, tensor in sorted(batch.items()))
        if shape not in self._graphs and "attention_mask" in batch and self._worth(shape):
            self._capture(shape, batch, items)
        if shape in self._graphs:
            return self._graphs[shape].replay(batch, items)
        return self.passes(batch, items)

    def give_back(self) -> bool:
        """Let go of the memory that graphs hold, and make no more. Returns whether there were any."""
        held, self._off = bool(self._graphs), True
        self._graphs.clear()
        return held

    def moved(self, tensor: torch.Tensor) -> torch.Tensor:
        return self.passes.moved(tensor)

    def apart(self) -> AbstractContextManager[None]:
        return self.passes.apart()

    def _worth(self, shape: _Shape) -> bool:
        self._seen[shape] += 1
        return not self._off and self._seen[shape] > _WORTH and len(self._graphs) < _MOST

    def _capture(self, shape: _Shape, batch: Batch, items: torch.Tensor) -> None:
        """Make the graph of batches of this shape. Where that fails there are no graphs from then on."""
        if not self._probed and not self._capturable(batch, items):
            return
        still = {name: self.passes.moved(tensor) for name, tensor in batch.items()}
        count, graph = items.clone(), torch.cuda.CUDAGraph()
        pool = next((known.graph.pool() for known in self._graphs.values()), None)
        try:
            # Batches are copied to page-locked memory by another thread meanwhile, which is none of the graph's.
            with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
                loss = self.passes.compute(still, count)
        except RuntimeError as error:
            self._give_up(error)
            return
        self._graphs[shape] = _Captured(graph, still, count, loss)

    def _capturable(self, batch: Batch, items: torch.Tensor) -> bool:
        """Whether the model asks the device nothing on its way forward.

        It is found out beforehand, because a capture that fails leaves torch's generator and allocator as they are
        within one (torch up to 2.11). transformers looks at masks, but not where it is told of a capture.
        """
        moved = {name: self.passes.moved(tensor) for name, tensor in batch.items()}
        before = torch.cuda.get_sync_debug_mode()
        with undisturbed(), torch.no_grad(), patch.object(torch.cuda, "is_current_stream_capturing", lambda: True):
            torch.cuda.set_sync_debug_mode("error")
            try:
                self.passes.value(moved, items)
            except RuntimeError as error:
                self._give_up(error)
                return False
            finally:
                torch.cuda.set_sync_debug_mode(before)
        self._probed = True
        return True

    def _give_up(self, error: RuntimeError) -> None:
        self.give_back()
        self.said(" ".join(str(error).split())[:200])
