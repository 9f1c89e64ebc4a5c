"""The batches of each optimizer step, in the order of their epoch, made while the device is still busy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from torch.utils.data import DataLoader, Sampler

from workbench.tasks.shared.rows import IGNORED, Batch, Collator, TokenRows
from workbench.train.order import Cut, Order
from workbench.train.ranks import Ranks

_AHEAD: Final = 2  # steps that are collated before they are needed
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StepBatches:
    """What one optimizer step of this process is computed from, in host memory.

    `items` is the number of labels that the loss of the step is divided by, `tokens` the number of tokens without
    padding; both of this process alone. `epoch` is how much of all epochs is done when the step is.
    """

    batches: list[Batch]
    items: int
    tokens: int
    epoch: float


@dataclass(frozen=True)
class Batches:
    """Makes the batches of each epoch of `rows` in their order, and steps of `accumulation` of them.

    With several processes each takes every `world`-th batch. `ahead`: batches are made in a thread while the device
    computes; the collator must then draw nothing from the global generators. `pinned`: into page-locked memory, from
    which a GPU copies without being waited for.
    """

    rows: TokenRows
    collator: Collator
    order: Order
    accumulation: int = 1
    ranks: Ranks = field(default_factory=lambda: Ranks(0, 1))
    workers: int = 0
    ahead: bool = False
    pinned: bool = False

    @property
    def per_epoch(self) -> int:
        """Optimizer steps in a pass over the rows."""
        return max(1, -(-self._count // self.accumulation))

    @property
    def _count(self) -> int:
        """Batches of this process in an epoch."""
        return self.order.batches(self.ranks.world) // self.ranks.world

    def epoch(self, number: int, skip: int = 0) -> Iterator[StepBatches]:
        """The steps of an epoch but for the first `skip`.

        Beginning an iteration draws once from torch's global generator, as every DataLoader does, at once and not with
        the first step.
        """
        self.order.begin(number)
        places = _Places(self.order.cut(number, self.ranks.world), self.ranks, skip * self.accumulation)
        loader: DataLoader[Any] = DataLoader(
            self.rows,  # type: ignore[arg-type]  # has the length and the items that a loader asks for
            batch_sampler=places,
            collate_fn=self.collator,
            num_workers=self.workers,
        )
        steps = self._steps(iter(loader), number, skip)
        return _made_ahead(steps, _AHEAD) if self.ahead else steps

    def _steps(self, batches: Iterator[Batch], epoch: int, skip: int) -> Iterator[StepBatches]:
        done = skip * self.accumulation
        while together := list(islice(batches, self.accumulation)):
            done += len(together)
            items, tokens = sum(map(_items, together)), sum(map(tokens_of, together))
            if self.pinned:
                together = [{name: tensor.pin_memory() for name, tensor in batch.items()} for batch in together]
            yield StepBatches(together, items, tokens, epoch + done / self._count)


def _items(batch: Batch) -> int:
    """Labels of a batch that count in the loss."""
    return int(batch["labels"].ne(IGNORED).sum())


def tokens_of(batch: Batch) -> int:
    """Tokens of a batch without its padding; a decoder's are not counted."""
    mask = batch.get("attention_mask")
    return int(batch["input_ids"].numel() if mask is None else mask.sum())


class _Places(Sampler[list[int]]):
    """The rows of each batch of a process, as views of an array: no list of all of them is ever made."""

    def __init__(self, cut: Cut, ranks: Ranks, skip: int) -> None:
        self._cut, self._numbers = cut, range(len(cut))[ranks.rank :: ranks.world][skip:]

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[list[int]]:
        for number in self._numbers:
            yield self._cut.batch(number).tolist()


def _made_ahead(source: Iterator[_T], depth: int) -> Iterator[_T]:
    """The items of `source`, made by a thread that is at most `depth` items ahead.

    What `source` raises is raised here, in its place. Closing the iterator ends the thread.
    """
    made: queue.Queue[tuple[_T | None, BaseException | None]] = queue.Queue(depth)
    closed = threading.Event()

    def put(item: _T | None, error: BaseException | None) -> bool:
        while not closed.is_set():
            try:
                made.put((item, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in source:
                if not put(item, None):
                    return
            put(None, StopIteration())
        except BaseException as error:  # noqa: BLE001  # the edge of the thread: raised again in the other
            put(None, error)

    def taken() -> Iterator[_T]:
        thread = threading.Thread(target=work, name="batches", daemon=True)
        thread.start()
        try:
            while True:
                item, error = made.get()
                if isinstance(error, StopIteration):
                    return
                if error is not None:
                    raise error
                assert item is not None, "an item or an error"
                yield item
        finally:
            closed.set()
            thread.join()

    return taken()
