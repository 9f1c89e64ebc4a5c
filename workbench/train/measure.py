"""What would training take? Three steps of the longest batch, one evaluation batch and one save, and nothing kept.

`python -m workbench.train.measure RECIPE.toml …`, with the arguments of `workbench.train.preflight`, prints one JSON
object: `{"ok": true, "measured": {…}}` as `measure` says, or `{"ok": false, "problems": [sentences]}`; exits 0, 1 or 2.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench import recipe
from workbench.config import Home
from workbench.errors import RecipeError, WorkbenchError
from workbench.models import locate
from workbench.recipe import Recipe
from workbench.rundir import RunDir
from workbench.tasks.rows import TokenRows
from workbench.train.preflight import arguments, steps
from workbench.train.session import Ready, Session
from workbench.train.stopping import StopRequest

STEPS: Final = 3  # the first pays for what is made once


class Clock:
    """A journal that remembers when each event came."""

    def __init__(self) -> None:
        self.events: list[tuple[str, float, dict[str, Any]]] = []

    def write(self, type: str, /, *, t: float | None = None, **fields: Any) -> None:
        self.events.append((type, time.monotonic(), fields))

    def warn(self, code: str, text: str, *, count: int = 1) -> None:
        self.write("warning", code=code, text=text)

    def close(self) -> None: ...

    def of(self, kind: str) -> list[tuple[float, dict[str, Any]]]:
        return [(when, fields) for type, when, fields in self.events if type == kind]


def measure(wanted: Recipe, search: Sequence[Path], home: Home) -> dict[str, Any]:
    """What training by this recipe takes on this machine.

    `{"device", "batch": {"rows", "tokens"}, "step_seconds", "typical_seconds", "evaluation_seconds" (or None),
    "save_seconds", "save_bytes", "peak_memory" (bytes: of the GPU where there is one, else of the process),
    "steps", "eta_seconds", "disk": {"needed", "free"}}`. Times are those of one process. Raises WorkbenchError.
    """
    near = next(path for path in (home.path, *home.path.parents) if path.exists())
    with tempfile.TemporaryDirectory(prefix=".measure-", dir=near) as place:
        run, clock = RunDir(Path(place) / "run"), Clock()
        run.path.mkdir()
        session = Session(run, clock, StopRequest(run.stop_request), attempt=2)
        ready = session.prepare(_short(wanted), list(search), locate(wanted.model, search), None)
        return _measured(wanted, ready, run, clock, near)


def _short(wanted: Recipe) -> Recipe:
    """The recipe of a few steps and one save."""
    train = wanted.train.model_copy(update={"max_steps": STEPS, "save_every": STEPS, "early_stopping_patience": None})
    generate = wanted.generate.model_copy(update={"prompts": []})
    return wanted.model_copy(update={"train": train, "generate": generate})


def _measured(wanted: Recipe, ready: Ready, run: RunDir, clock: Clock, near: Path) -> dict[str, Any]:
    from workbench.train.training import Training

    train = wanted.train
    rows = ready.prepared.splits["train"]
    longest = _longest(rows, train.batch_size)
    places = np.tile(longest, STEPS * train.gradient_accumulation * wanted.launch.processes)
    short = dataclasses.replace(ready.prepared, splits={"train": rows.take(places)})
    # The judgement is timed before the training: the model is then still as the task made it.
    Training(run, clock, StopRequest(run.stop_request), dataclasses.replace(ready, prepared=short), 1, None).run()
    times = [when for when, _ in clock.of("step")]
    step = (times[-1] - times[0]) / (STEPS - 1)
    (saved, checkpoint), *_ = clock.of("checkpoint")
    width = int(rows.lengths[longest].max())
    typical = step * _usual(rows, train.batch_size, grouped=train.group_by_length) / (width * len(longest))
    total = steps(wanted, ready.splits, ready.prepared.max_length)["total"]
    if wanted.task in {"causal-lm", "masked-lm", "question-answering", "token-classification"}:
        total = _steps_of(wanted, len(rows))
    size = sum(file.stat().st_size for file in run.checkpoints.rglob("*") if file.is_file())
    kept = 0 if train.save_every == "never" else train.keep_checkpoints + 2
    model = sum(file.stat().st_size for file in run.model.rglob("*") if file.is_file())
    return {
        "device": ready.device.name,
        "batch": {"rows": len(longest), "tokens": width},
        "step_seconds": step,
        "typical_seconds": typical,
        "evaluation_seconds": _evaluation(wanted, ready),
        "save_seconds": checkpoint.get("seconds", saved - times[-1]),
        "save_bytes": size,
        "peak_memory": _peak(ready.device.kind),
        "steps": total,
        "eta_seconds": typical * total,
        "disk": {"needed": size * kept + model, "free": shutil.disk_usage(near).free},
    }


def _longest(rows: TokenRows, size: int) -> NDArray[np.int64]:
    """The places of the longest rows, a batch of them."""
    order: NDArray[np.int64] = np.argsort(-rows.lengths, kind="stable")[:size]
    return order


def _usual(rows: TokenRows, size: int, *, grouped: bool) -> float:
    """Tokens of a batch with its padding, on average."""
    lengths = np.sort(rows.lengths) if grouped else np.random.default_rng(0).permutation(rows.lengths)
    starts = np.arange(0, len(lengths), size)
    widths = np.maximum.reduceat(lengths, starts)
    return float((widths * np.diff(np.append(starts, len(lengths)))).mean())


def _steps_of(wanted: Recipe, rows: int) -> int:
    """Optimizer steps over rows as they were made, where a user's row may be several, or several one."""
    train = wanted.train
    batches = math.ceil(rows / (train.batch_size * wanted.launch.processes))
    per_epoch = max(1, math.ceil(batches / train.gradient_accumulation))
    return train.max_steps or math.ceil(train.epochs * per_epoch)


def _evaluation(wanted: Recipe, ready: Ready) -> float | None:
    """Seconds for the longest batch of the validation rows, None where there are none."""
    import torch

    from workbench.train import attention

    rows = ready.prepared.splits.get("validation")
    if rows is None:
        return None
    places = _longest(rows, wanted.evaluate.batch_size or wanted.train.batch_size)
    made = ready.task.collator(ready.tokenizer, ready.prepared)([rows[int(place)] for place in places])
    judge = ready.task.judge("validation", ready.splits, ready.prepared)
    place = next(ready.model.parameters()).device
    batch = {name: tensor.to(place) for name, tensor in made.items()}
    ready.model.eval()
    narrow = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(ready.device.precision)
    began = time.monotonic()
    with (
        torch.no_grad(),
        attention.for_judging(ready.model),
        torch.autocast(place.type, dtype=narrow, enabled=narrow is not None),
    ):
        judge.add(places, batch, judge.ask(ready.model, batch))
        if place.type == "cuda":
            torch.cuda.synchronize()
    return time.monotonic() - began


def _peak(kind: str) -> int:
    """Bytes: what the GPU had to give at most, or the process had resident."""
    if kind == "cuda":
        import torch

        return int(torch.cuda.max_memory_reserved())
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(argv: Sequence[str] | None = None) -> int:
    given = arguments("workbench.train.measure", str(__doc__)).parse_args(argv)
    search = given.base_dir or [given.recipe.absolute().parent, Path.cwd()]
    try:
        measured = measure(recipe.load(given.recipe, list(given.overrides)), search, Home.resolve(given.home))
    except RecipeError as error:
        print(json.dumps({"ok": False, "problems": error.problems}))
        return 2
    except WorkbenchError as error:
        print(json.dumps({"ok": False, "problems": [error.sentence]}))
        return 2
    except (RuntimeError, MemoryError) as error:
        # Out of memory, on whatever device: that is what one wanted to know.
        said = " ".join(str(error).split())[:200] or type(error).__name__
        print(json.dumps({"ok": False, "problems": [f"the longest batch cannot be trained on ({said})"]}))
        return 1
    print(json.dumps({"ok": True, "measured": measured}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
