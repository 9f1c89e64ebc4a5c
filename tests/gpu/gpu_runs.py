"""Runs made as the program makes them, and trained in this process or under their supervisor."""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gpu_tasks
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from workbench.contracts import events
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.runs.create import create
from workbench.runs.record import how_it_ended, in_progress
from workbench.tasks.experiment import Experiment
from workbench.train.run_log import LogJournal
from workbench.train.stopping import StopRequest

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ON_CARD = DEVICE == "cuda"
# Whether every variant of a test runs or a few do; a CPU is told to run all with WORKBENCH_GPU_TESTS=whole.
WHOLE = ON_CARD or os.environ.get("WORKBENCH_GPU_TESTS") == "whole"


class StopAfter(StopRequest):
    """Asks for a stop once the optimizer has made so many steps in this attempt, whoever's loop makes them."""

    def __init__(self, file: Path, steps: int) -> None:
        super().__init__(file)
        self._left = steps

    @property
    def reason(self) -> str | None:
        return "asked to" if self._left <= 0 else None

    @contextmanager
    def counting(self) -> Iterator[None]:
        def made(*_: Any) -> None:
            self._left -= 1

        handle = register_optimizer_step_post_hook(made)
        try:
            yield
        finally:
            handle.remove()


@dataclass
class Runs:
    """Makes runs of the small tasks, on the card where there is one."""

    home: Home
    rows: Path

    def make(self, task: str, *overrides: str, text: str | None = None) -> RunDir:
        changes = [f"launch.device={DEVICE}", *overrides]
        return create(self.home, Experiment.read(text or gpu_tasks.recipe(task), overrides=changes, search=[self.rows]))

    def train(self, run: RunDir, *, stop_after: int | None = None) -> str:
        """One attempt in this process, stopped after so many of its steps. Returns the state it ended in."""
        from workbench.train.session import Session

        attempt = max((event.attempt for event in events.read_all(run.events)), default=0) + 1
        log = LogJournal(run.events, attempt=attempt)
        stop = StopAfter(run.stop_request, stop_after) if stop_after else StopRequest(run.stop_request)
        try:
            with stop.counting() if isinstance(stop, StopAfter) else nullcontext():
                return Session(run, log, stop, attempt=attempt).run().state
        finally:
            log.close()
            give_back()

    def completed(self, task: str, *overrides: str, text: str | None = None) -> RunDir:
        """A run made and trained to its end in this process."""
        run = self.make(task, *overrides, text=text)
        assert self.train(run) == "completed"
        return run


def give_back() -> None:
    """What a run held of the card. A session freezes what it finds against collection, earlier runs too."""
    gc.unfreeze()
    gc.collect()
    if ON_CARD:
        torch.cuda.empty_cache()


def of_type(run: RunDir, kind: str) -> list[events.Event]:
    return [event for event in events.read_all(run.events) if event.type == kind]


def losses(run: RunDir) -> list[float]:
    """Of the steps that count: a resumed attempt takes the place of what came after its checkpoint."""
    found = {event.step: event.scalars["train/loss"] for event in of_type(run, "step")}
    return [found[step] for step in sorted(found)]


def evaluated(run: RunDir) -> list[dict[str, float]]:
    """The numbers of each evaluation, its seconds left out."""
    return [
        {name: value for name, value in event.scalars.items() if "second" not in name} for event in of_type(run, "eval")
    ]


def warned(run: RunDir, code: str) -> list[str]:
    return [event.text for event in of_type(run, "warning") if event.code == code]


def weights(run: RunDir) -> dict[str, torch.Tensor]:
    """Those in `model/`; of adapters their own, since those of the base are links."""
    from safetensors.torch import load_file

    adapters = run.model / "adapter_model.safetensors"
    return load_file(adapters if adapters.exists() else run.model / "model.safetensors")


def until(condition: Callable[[], Any], seconds: float = 150.0) -> Any:
    """Wait for other processes; the limit only keeps a failure from hanging."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found


def end_of(run: RunDir) -> dict[str, Any]:
    """The last word on a supervised run, waited for; its console too, for the message of a test that fails."""
    until(lambda: not in_progress(run))
    ended = how_it_ended(run)
    assert ended is not None
    return ended.fields() | {"console": run.console.read_text(errors="replace")[-3000:]}


def facts_of(run: RunDir) -> dict[str, Any]:
    return json.loads(run.facts.read_text())
