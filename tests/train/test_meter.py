"""Every step is written as it was, NaN included; a run whose loss has gone says so and ends."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.contracts.events import Event, StepEvent, WarningEvent
from workbench.train.meter import Diverged, Meter, Step
from workbench.train.ranks import Ranks


class Notes:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event):
        self.events.append(event)

    def warn(self, code, text, *, count=1):
        self.events.append(WarningEvent(code=code, text=text))

    def close(self):
        pass


def step(number: int, loss: float, *, norm: float = 1.0) -> Step:
    return Step(number, number / 10, float(number), 1e-3, torch.tensor(loss), torch.tensor(norm), 7)


def test_each_step_is_written_with_its_own_time_and_the_tokens_so_far():
    notes = Notes()
    meter = Meter(notes, Ranks(0, 1), on_gpu=False, tokens=100)
    for number in (1, 2):
        meter.add(step(number, 0.5))
        meter.flush()
    scalars = {"train/loss": 0.5, "train/learning_rate": 1e-3, "train/grad_norm": 1.0}
    assert notes.events[1] == StepEvent(step=2, epoch=0.2, tokens=114, t=2.0, scalars=scalars)


def test_on_a_gpu_many_steps_are_fetched_at_once_and_none_is_lost():
    notes = Notes()
    meter = Meter(notes, Ranks(0, 1), on_gpu=True)
    for number in range(1, 50):
        meter.add(step(number, number / 2, norm=float(number)))
    meter.flush()
    losses = [event.scalars["train/loss"] for event in notes.events]
    assert losses == [number / 2 for number in range(1, 50)]
    assert [event.scalars["train/grad_norm"] for event in notes.events] == list(range(1, 50))
    assert notes.events[-1].tokens == 49 * 7
    meter.flush()
    assert len(notes.events) == 49


def test_losses_that_are_no_numbers_are_written_as_what_they_are_and_end_the_run():
    notes = Notes()
    meter = Meter(notes, Ranks(0, 1), on_gpu=False)
    meter.add(step(1, 0.5))
    meter.flush()
    for number in range(2, 6):
        meter.add(step(number, math.nan if number % 2 else math.inf))
        meter.flush()
        assert not meter.healthy
    meter.add(step(6, math.inf))
    with pytest.raises(Diverged, match="since step 2") as end:
        meter.flush()
    assert end.value.exit_code == 3
    written = [event.scalars["train/loss"] for event in notes.events if isinstance(event, StepEvent)]
    assert written[1] == math.inf
    assert math.isnan(written[2])
    assert len(written) == 6
    assert [event.code for event in notes.events if isinstance(event, WarningEvent)] == ["non-finite-loss"]


def test_a_loss_that_recovers_does_not_end_the_run():
    meter = Meter(Notes(), Ranks(0, 1), on_gpu=False)
    for number in range(1, 40):
        meter.add(step(number, math.nan if number % 5 else 0.1))
        meter.flush()
    assert not meter.healthy


def test_a_gradient_that_is_no_number_is_not_worth_saving():
    meter = Meter(Notes(), Ranks(0, 1), on_gpu=False)
    meter.add(step(1, 0.5, norm=math.inf))
    meter.flush()
    assert not meter.healthy
