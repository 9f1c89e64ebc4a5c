"""Runs of ours and Trainer scripts raced against each other, a step at a time.

A machine is never equally busy for long, and what else it does costs a run up to a fifth more CPU seconds. So
contestants do not run one after another: each has a thread, and whoever has made a step waits until all the others
have made theirs. What disturbs one disturbs all alike. Times are CPU seconds of the contestant's own thread, which does
all of the work.
"""

from __future__ import annotations

import gc
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch


@dataclass
class Clock:
    """CPU seconds that this thread has spent in the blocks it was held around."""

    cpu: float = 0.0

    def __enter__(self) -> Clock:
        self.cpu -= time.thread_time()
        return self

    def __exit__(self, *exception: object) -> None:
        self.cpu += time.thread_time()

    @property
    def so_far(self) -> float:
        """The same, from within such a block."""
        return self.cpu + time.thread_time()

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()


@dataclass
class Lap:
    """One contestant's way: `whole` from its rows to its weights, of which `training` is the steps alone.

    `steps` are CPU seconds from the end of one step to that of the next. `tokens` are those trained on: padding is
    none, and neither is what a decoder is to write.
    """

    whole: Clock = field(default_factory=Clock)
    training: Clock = field(default_factory=Clock)
    steps: list[float] = field(default_factory=list)
    tokens: int = 0
    score: float | None = None

    def stepped(self) -> None:
        self.steps.append(self.training.so_far - sum(self.steps))


Contestant = Callable[[Lap], None]


class _Turns:
    """Hands the turn round among so many threads; whoever leaves is passed over."""

    def __init__(self, count: int) -> None:
        self._changed, self._running, self._turn = threading.Condition(), list(range(count)), 0

    def begin(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._turn == number)

    def pass_on(self, number: int) -> None:
        with self._changed:
            self._give_up(number)
            self._changed.wait_for(lambda: self._turn == number)

    def leave(self, number: int) -> None:
        with self._changed:
            self._give_up(number)
            self._running.remove(number)

    def _give_up(self, number: int) -> None:
        self._turn = self._running[(self._running.index(number) + 1) % len(self._running)]
        self._changed.notify_all()


def race(contestants: Sequence[Contestant]) -> list[Lap]:
    """Each contestant's lap, all of them run by turns."""
    import torch

    # What a race before has frozen or left lying must not be walked through in this one.
    gc.unfreeze()
    gc.collect()
    turns, here = _Turns(len(contestants)), threading.local()

    def run(number: int) -> Lap:
        torch.set_num_threads(1)  # of this thread
        here.lap, here.number = Lap(), number
        turns.begin(number)
        try:
            with here.lap.whole:
                contestants[number](here.lap)
        finally:
            turns.leave(number)
        return here.lap

    def stepped() -> None:
        here.lap.stepped()
        turns.pass_on(here.number)

    with _watched(lambda: here.lap, stepped), ThreadPoolExecutor(len(contestants)) as threads:
        return list(threads.map(run, range(len(contestants))))


@contextmanager
def _watched(lap: Callable[[], Lap], stepped: Callable[[], None]) -> Iterator[None]:
    """Trainer's loop and ours on the training clock, but for evaluating and saving; `stepped` comes after each step."""
    from transformers import Trainer

    from workbench.train.loop import Loop
    from workbench.train.training import Training

    def timed(train: Callable) -> Callable:
        def method(*args, **options):
            with lap().training:
                return train(*args, **options)

        return method

    def aside(work: Callable) -> Callable:
        def method(*args, **options):
            with lap().training.paused():
                return work(*args, **options)

        return method

    def then(work: Callable) -> Callable:
        def method(*args, **options):
            done = work(*args, **options)
            stepped()
            return done

        return method

    changed = [(Trainer, "train", timed), (Trainer, "_maybe_log_save_evaluate", then)]
    changed += [(Training, "_train", timed), (Loop, "step", then)]
    changed += [(Trainer, name, aside) for name in ("_evaluate", "_save_checkpoint")]
    changed += [(Training, name, aside) for name in ("_evaluate", "_save")]
    with ExitStack() as patches:
        for kind, name, made in changed:
            patches.enter_context(patch.object(kind, name, made(getattr(kind, name))))
        yield


def alone(contestant: Contestant) -> Lap:
    (lap,) = race([contestant])
    return lap


def ours(place: Path, name: str, recipe_text: str, *overrides: str, score: str | None = None) -> Contestant:
    """A whole run of ours, of a recipe whose paths are in `place`. `score` is a scalar to keep the last value of."""
    from workbench.contracts import events
    from workbench.core.rundir import RunDir
    from workbench.tasks import recipe_union as recipe
    from workbench.train.run_log import LogJournal
    from workbench.train.session import Session
    from workbench.train.stopping import StopRequest

    def run(lap: Lap) -> None:
        run = RunDir(place / name)
        run.path.mkdir()
        parsed = recipe.parse(recipe_text, overrides=list(overrides))
        run.facts.write_text(json.dumps({"recipe": parsed.resolved(), "search": [str(place)]}))
        journal = LogJournal(run.events, attempt=1)
        Session(run, journal, StopRequest(run.stop_request), attempt=1).run()
        journal.close()
        with lap.whole.paused():
            log = list(events.read_all(run.events))
            lap.tokens = [event.tokens for event in log if event.type == "step"][-1]
            if score is not None:
                lap.score = [event.scalars[score] for event in log if event.type == "eval"][-1]

    return run


def precision_of(recipe_text: str) -> str:
    """What a run of the recipe trains in on this machine, and so the scripts beside it."""
    from workbench.tasks import recipe_union as recipe
    from workbench.train import device

    return device.choose(recipe.parse(recipe_text)).precision


def training(laps: Sequence[Lap]) -> float:
    """CPU seconds of the steps of a contestant: of each the least that it took in any race, where nothing disturbed."""
    return sum(min(step) for step in zip(*(lap.steps for lap in laps), strict=True))


def median(laps: Sequence[Lap], of: Callable[[Lap], float]) -> float:
    return statistics.median(of(lap) for lap in laps)
