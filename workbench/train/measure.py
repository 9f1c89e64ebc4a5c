"""What would training take? A few steps of the loop, one evaluation batch and one save, and nothing kept.

`python -m workbench.train.measure RECIPE.toml …`, with the arguments of `workbench.train.check`, prints a
`MeasureReport` or its refusal (`workbench.contracts.check_report`); exits 0, 1 or 2.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.check_report import DiskUse, LongestBatch, Measurement, MeasureReport, dump, refusal
from workbench.core.errors import WorkbenchError
from workbench.core.home import Home
from workbench.core.rundir import RunDir, sync
from workbench.recipe import Recipe, Train
from workbench.tasks.experiment import Experiment
from workbench.tasks.shared.rows import TokenRows
from workbench.tasks.spec import spec_of
from workbench.train.check import arguments, given_experiment, said, steps
from workbench.train.order import Cut
from workbench.train.ranks import Ranks
from workbench.train.ready import Ready
from workbench.train.run_log import SilentJournal
from workbench.train.session import Session
from workbench.train.stopping import StopRequest

if TYPE_CHECKING:
    from workbench.train.batches import Batches
    from workbench.train.loop import Loop

STEPS: Final = 3


@dataclass(frozen=True)
class _Given:
    """Batches that are the same in every epoch."""

    given: list[NDArray[np.int64]]

    def begin(self, epoch: int) -> None: ...

    def batches(self, world: int = 1) -> int:
        return len(self.given)

    def cut(self, epoch: int, world: int = 1) -> Cut:
        return Cut.of_batches(self.given)


def measure(experiment: Experiment, home: Home) -> Measurement:
    """What training takes on this machine. Raises WorkbenchError."""
    near = next(path for path in (home.path, *home.path.parents) if path.exists())
    with tempfile.TemporaryDirectory(prefix=".measure-", dir=near) as place:
        # Two levels below the home, as every run is.
        run = RunDir(Path(place) / "run")
        session = Session(run, SilentJournal(), StopRequest(run.stop_request), attempt=2)
        return _measured(experiment.recipe, session.prepare(experiment, None), Path(place), near)


def _measured(wanted: Recipe, ready: Ready, place: Path, near: Path) -> Measurement:
    from workbench.train.building import loop_of
    from workbench.train.device import peak_memory
    from workbench.train.graphs import CAPTURED, GraphedPasses

    train = wanted.train
    rows = ready.prepared.rows["train"]
    longest = _longest(rows, train)
    # The evaluation is timed before the training: the model is then still as the task made it.
    evaluation = _evaluation(wanted, ready)
    loop = loop_of(ready, Ranks(0, 1), evaluated=False, journal=SilentJournal())
    batches = loop.batches
    # What is made once is not what a step takes: kernels are chosen, and CUDA graphs are captured.
    made = CAPTURED if isinstance(loop.passes, GraphedPasses) else 0
    whole = [longest] * train.gradient_accumulation
    step = float(_timed(loop, [whole], times=made + STEPS)[0, made + 1 :].mean())
    typical = float(_timed(loop, _spread(batches, STEPS), times=made + 1)[:, -1].mean())
    total = steps(wanted, ready.prepared.splits, ready.prepared.max_length).total
    if train.batch_tokens or not spec_of(wanted.task).one_to_one:
        total = _steps_of(wanted, batches.order.batches())
    saving, size, model = _save(ready, loop, place)
    kept = 0 if train.save_every == "never" else train.keep_checkpoints + 2
    return Measurement(
        device=ready.device.name,
        batch=LongestBatch(rows=len(longest), tokens=int(rows.lengths[longest].max())),
        step_seconds=step,
        typical_seconds=typical,
        evaluation_seconds=evaluation,
        save_seconds=saving,
        save_bytes=size,
        peak_memory=peak_memory(ready.device.kind),
        steps=total,
        eta_seconds=typical * total,
        disk=DiskUse(needed=size * kept + model, free=shutil.disk_usage(near).free),
    )


def _timed(loop: Loop, steps: Sequence[list[NDArray[np.int64]]], times: int) -> NDArray[np.float64]:
    """Seconds of steps over batches of the rows at these places, each taken so many times: shape (steps, times)."""
    given = [batch for batches in steps for _ in range(times) for batch in batches]
    loop.batches = dataclasses.replace(loop.batches, order=_Given(given))
    taken, began = [], time.monotonic()
    loop.model.train()
    for number, work in enumerate(loop.batches.epoch(0), 1):
        # Reading a number waits for all that the device was asked for.
        float(loop.step(number, work).loss)
        now = time.monotonic()
        taken.append(now - began)
        began = now
    return np.reshape(taken, (len(steps), times))


def _spread(batches: Batches, count: int) -> list[list[NDArray[np.int64]]]:
    """The batches of `count` steps of the first epoch, taken from its whole length: as they come, long and short."""
    cut, together = batches.order.cut(0), batches.accumulation
    whole = max(1, len(cut) // together)
    chosen = ((np.arange(min(count, whole)) + 0.5) * whole / min(count, whole)).astype(int)
    numbers = (range(at * together, min(len(cut), (at + 1) * together)) for at in chosen)
    # A last step of fewer batches is filled up: every step is to have as many.
    return [[cut.batch(number) for number in np.resize(of_step, together)] for of_step in numbers]


def _save(ready: Ready, loop: Loop, place: Path) -> tuple[float, int, int]:
    """Seconds and bytes of a checkpoint, and the bytes of the model in it."""
    from workbench.train import model_files
    from workbench.train.state import TrainingState

    began = time.monotonic()
    model_files.save(ready.model, ready.prepared.tokenizer, place, use_cache=True)
    model = _bytes(place)
    TrainingState(ready.model, loop.optimizer, loop.schedule, loop.scaler).save(place, loop.optimizer.state_dict())
    for file in place.iterdir():
        sync(file)
    return time.monotonic() - began, _bytes(place), model


def _bytes(place: Path) -> int:
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


def _longest(rows: TokenRows, train: Train, size: int | None = None) -> NDArray[np.int64]:
    """The places of the longest rows, a batch of them: `size`, or as training takes them."""
    order: NDArray[np.int64] = np.argsort(-rows.lengths, kind="stable")
    if size is None and train.batch_tokens is not None:
        size = max(1, train.batch_tokens // max(1, int(rows.lengths[order[0]])))
    return order[: size or train.batch_size]


def _steps_of(wanted: Recipe, batches: int) -> int:
    """Optimizer steps over batches of rows as they were made, where a user's row may be several, or several one."""
    train = wanted.train
    batches = math.ceil(batches / wanted.launch.processes)
    per_epoch = max(1, math.ceil(batches / train.gradient_accumulation))
    return train.max_steps or math.ceil(train.epochs * per_epoch)


def _evaluation(wanted: Recipe, ready: Ready) -> float | None:
    """Seconds for the longest batch of the validation rows, None where there are none."""
    import torch

    from workbench.train import attention
    from workbench.train.passes import autocast

    rows = ready.prepared.rows.get("validation")
    if rows is None:
        return None
    places = _longest(rows, wanted.train, wanted.evaluate.batch_size or wanted.train.batch_size)
    made = ready.task.collator(ready.prepared, ready.model)([rows[int(place)] for place in places])
    evaluator = ready.task.evaluator(ready.prepared, "validation")
    if not getattr(ready.model, "is_quantized", False):
        torch.nn.Module.to(ready.model, ready.device.torch)
    batch = {name: tensor.to(ready.device.torch) for name, tensor in made.items()}
    ready.model.eval()
    began = time.monotonic()
    with torch.no_grad(), attention.for_evaluation(ready.model), autocast(ready.device):
        evaluator.add(places, batch, evaluator.ask(ready.model, batch))
        if ready.device.kind == "cuda":
            torch.cuda.synchronize()
    return time.monotonic() - began


def main(argv: Sequence[str] | None = None) -> int:
    given = arguments("workbench.train.measure", str(__doc__)).parse_args(argv)
    try:
        measured = measure(given_experiment(given), Home.resolve(given.home))
    except WorkbenchError as error:
        print(refusal(said(error)))
        return 2
    except (RuntimeError, MemoryError) as error:
        # Out of memory, on whatever device: that is what one wanted to know.
        told = " ".join(str(error).split())[:200] or type(error).__name__
        print(refusal([f"the longest batch cannot be trained on ({told})"]))
        return 1
    print(dump(MeasureReport(measured=measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
