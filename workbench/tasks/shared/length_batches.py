"""Rows asked of a model in batches of like length, as many at once as fit its device.

A batch costs what its longest row does, so rows are sorted by length first: of sentences in the order of a file, half
of what is computed is padding. Answers say which rows they are of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import WorkbenchError
from workbench.tasks.shared.rows import Batch, Padding, RowItem

if TYPE_CHECKING:
    import torch

Places = NDArray[np.int64]
Ask = Callable[[Batch, Places], "tuple[torch.Tensor, ...]"]  # on the device; must not wait for it

# Tokens of a batch, padding included. A CPU computes fastest in what its caches hold (measured with MiniLM: 256 to
# 4,096 tokens differ little, 8,192 and more are slower); a GPU wants as many as its memory takes, and says when it is
# too much.
TOKENS_ON_CPU: Final = 2048
TOKENS_ON_GPU: Final = 32_768


class EncodedRows(Protocol):
    """Tokenized rows: a list of them, or `TokenRows`."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> RowItem: ...


@dataclass(frozen=True)
class _Sent:
    """A batch that is being computed: its results on the way to host memory."""

    places: Places
    results: tuple[torch.Tensor, ...]
    done: torch.cuda.Event | None  # None where the results are there already

    def fetched(self) -> tuple[Places, tuple[torch.Tensor, ...]]:
        if self.done is not None:
            self.done.synchronize()
        return self.places, self.results


class LengthBatches:
    """Makes batches for a model on `device`: of as many tokens as are computed fast there, but at most `tokens` tokens
    and `rows` rows.

    Where a GPU runs out of memory the limit is halved for good and the batch made again, smaller.
    """

    def __init__(self, device: str, padding: Padding, *, tokens: int | None = None, rows: int | None = None) -> None:
        self._device, self._padding, self._rows = device, padding, rows
        self._on_gpu = device.startswith("cuda")
        fast = TOKENS_ON_GPU if self._on_gpu else TOKENS_ON_CPU
        self.tokens = fast if tokens is None else min(tokens, fast)

    def answers(self, rows: EncodedRows, ask: Ask) -> Iterator[tuple[Places, tuple[torch.Tensor, ...]]]:
        """What `ask` gives for each batch, in host memory, with the places of its rows; the longest rows first.

        A batch is fetched while the next one is computed. Raises WorkbenchError where one row alone does not fit.
        """
        lengths = np.fromiter((len(rows[row]["input_ids"]) for row in range(len(rows))), np.int64, len(rows))
        order = np.argsort(-lengths, kind="stable")
        start, before = 0, None
        while start < len(order):
            places = order[start : start + self._fitting(int(lengths[order[start]]))]
            sent = self._tried([rows[int(place)] for place in places], places, ask)
            if sent is None:
                self._halve(len(places), int(lengths[places[0]]))
                continue
            if before is not None:
                yield before.fetched()
            start, before = start + len(places), sent
        if before is not None:
            yield before.fetched()

    def gathered(self, rows: EncodedRows, ask: Ask) -> tuple[NDArray[Any], ...]:
        """What `ask` gives for all rows, one entry a row, in their order. There must be a row."""
        whole: tuple[NDArray[Any], ...] = ()
        for places, results in self.answers(rows, ask):
            arrays = [result.numpy() for result in results]
            whole = whole or tuple(np.empty((len(rows), *array.shape[1:]), array.dtype) for array in arrays)
            for all_rows, array in zip(whole, arrays, strict=True):
                all_rows[places] = array
        return whole

    def _fitting(self, width: int) -> int:
        """Rows of at most `width` tokens that make one batch; one at least."""
        several = max(1, self.tokens // max(1, width))
        return several if self._rows is None else min(several, self._rows)

    def _halve(self, rows: int, width: int) -> None:
        import torch

        if rows == 1:
            raise WorkbenchError(
                f"a row of {width} tokens does not fit in the memory of the GPU",
                hint="free some (see nvidia-smi), or hide the GPU with CUDA_VISIBLE_DEVICES=",
            )
        self.tokens = rows // 2 * width
        torch.cuda.empty_cache()

    def _tried(self, items: Sequence[RowItem], places: Places, ask: Ask) -> _Sent | None:
        """None where memory ran out. The error is let go of here: its frames hold on to the tensors."""
        import torch

        try:
            with torch.inference_mode():
                return self._fetching(places, ask(self._moved(self._padding(items)), places))
        except torch.OutOfMemoryError:
            return None

    def _moved(self, batch: Batch) -> Batch:
        """The batch on the device. Copied from pinned memory, so that nobody waits for what is computed there."""
        if not self._on_gpu:
            return {name: tensor.to(self._device) for name, tensor in batch.items()}
        return {name: tensor.pin_memory().to(self._device, non_blocking=True) for name, tensor in batch.items()}

    def _fetching(self, places: Places, results: tuple[torch.Tensor, ...]) -> _Sent:
        import torch

        if not self._on_gpu:
            return _Sent(places, tuple(result.cpu() for result in results), None)
        held = tuple(torch.empty_like(result, device="cpu", pin_memory=True) for result in results)
        for host, result in zip(held, results, strict=True):
            host.copy_(result, non_blocking=True)
        return _Sent(places, held, torch.cuda.current_stream(self._device).record_event())
