"""A batch that the card does not hold is computed in pieces, to the same end: in training and in evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gpu_tasks
import pytest
import torch
from gpu_runs import ON_CARD, evaluated, give_back, losses, warned

# What the run needs, and is then not given.
SHARE = 0.6
SIZE = {"width": 128, "layers": 4, "length": 128} if ON_CARD else {"width": 16, "layers": 1, "length": 24}
ROWS = 256 if ON_CARD else 32
SAME = ("train.optimizer=sgd", "train.learning_rate=0.05", "train.precision=fp32")


class Card:
    """The memory of this process on the card, as torch's allocator counts it."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        give_back()
        torch.cuda.reset_peak_memory_stats()
        self._before = torch.cuda.memory_reserved()
        yield
        self.peak = torch.cuda.max_memory_reserved() - self._before

    @contextmanager
    def limited(self) -> Iterator[None]:
        give_back()
        allowed = torch.cuda.memory_reserved() + SHARE * self.peak
        torch.cuda.set_per_process_memory_fraction(allowed / torch.cuda.get_device_properties().total_memory)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)


class Pretended:
    """In the rehearsal the tokens of a batch stand for its memory, four times as many where gradients are kept."""

    peak = 0.0

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch, self._limit = monkeypatch, float("inf")

    @contextmanager
    def watched(self) -> Iterator[None]:
        from transformers import BertForSequenceClassification

        forward = BertForSequenceClassification.forward

        def counted(model: Any, input_ids: torch.Tensor, **rest: Any) -> Any:
            taken = input_ids.numel() * (4 if torch.is_grad_enabled() else 1)
            if taken > self._limit:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            self.peak = max(self.peak, taken)
            return forward(model, input_ids=input_ids, **rest)

        self._patch.setattr(BertForSequenceClassification, "forward", counted)
        yield

    @contextmanager
    def limited(self) -> Iterator[None]:
        self._limit = SHARE * self.peak
        yield


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Card | Pretended:
    return Card() if ON_CARD else Pretended(monkeypatch)


@pytest.fixture
def whole_and_short(runs, rows, memory, record_property):
    """A run with all the memory it wants, and one with too little."""
    gpu_tasks.long_texts(rows, rows=ROWS, shortest=SIZE["length"] // 8, longest=SIZE["length"])
    text = gpu_tasks.recipe_for_long_texts(**SIZE)

    def both(*overrides, graphs):
        # What CUDA graphs hold comes on top: the limit is a share of what the run needs without any.
        with memory.watched():
            whole = runs.completed("text-classification", *SAME, *overrides, "train.cuda_graphs=false", text=text)
        with memory.limited():
            short = runs.completed(
                "text-classification", *SAME, *overrides, f"train.cuda_graphs={str(graphs).lower()}", text=text
            )
        record_property("peak without a limit", f"{memory.peak / 2**20:,.0f} MiB" if ON_CARD else memory.peak)
        return whole, short

    return both


@pytest.mark.parametrize("graphs", [False, True] if ON_CARD else [False], ids=["plain", "graphs"][: 1 + ON_CARD])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_step_that_does_not_fit_is_made_in_pieces_with_the_same_loss(
    whole_and_short, record_property, accumulation, graphs
):
    asked = (f"train.batch_size={ROWS // 4}", f"train.gradient_accumulation={accumulation}", "train.max_steps=12")
    whole, short = whole_and_short(*asked, "evaluate.batch_size=4", graphs=graphs)
    assert warned(whole, "oom-recovered") == []
    said = warned(short, "oom-recovered")
    record_property("said", said)
    assert said
    assert all("out of memory at step" in text for text in said)
    assert losses(short) == pytest.approx(losses(whole), rel=1e-3)
    assert evaluated(short)[0]["eval/loss"] == pytest.approx(evaluated(whole)[0]["eval/loss"], rel=1e-3)


def test_an_evaluation_that_does_not_fit_is_begun_anew_with_the_same_end(whole_and_short, record_property):
    whole, short = whole_and_short("train.batch_size=2", f"evaluate.batch_size={ROWS}", graphs=False)
    assert warned(whole, "oom-recovered") == []
    said = warned(short, "oom-recovered")
    record_property("said", said)
    assert said
    assert all("out of memory in evaluation" in text for text in said)
    assert losses(short) == losses(whole)
    first, second = evaluated(short)[0], evaluated(whole)[0]
    assert first["eval/loss"] == pytest.approx(second["eval/loss"], rel=1e-4)
    assert first.keys() == second.keys()
