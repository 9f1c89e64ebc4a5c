"""Who makes the host wait for the card: torch warns of each such wait, and its Python stack says who asked for it."""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

import workbench

WARNING: Final = "called a synchronizing CUDA operation"
_OURS: Final = str(Path(workbench.__file__).parent)
_PASSED_OVER: Final = ("/torch/", "/warnings.py", "/contextlib.py")
# Where reading a number is the purpose: the flush of the meter, evaluation, saving, sampling, measuring, seeding.
ALLOWED: Final = {"meter", "evaluation", "saving", "checkpoints", "generation", "searching", "measure", "chance", "rng"}


@dataclass
class Waits:
    """Places by how often the host waited there: `ours`, and those of libraries that we call."""

    ours: Counter[str] = field(default_factory=Counter)
    libraries: Counter[str] = field(default_factory=Counter)

    def take(self, stack: traceback.StackSummary) -> None:
        """Lay a wait to the innermost frame that is not torch's own, unless a frame of ours may wait."""
        frames = [frame for frame in stack if not any(part in frame.filename for part in _PASSED_OVER)]
        ours = [frame for frame in frames if frame.filename.startswith(_OURS)]
        if not frames or any(Path(frame.filename).stem in ALLOWED for frame in ours):
            return
        asked = frames[-1]
        found = self.ours if asked.filename.startswith(_OURS) else self.libraries
        found[f"{'/'.join(Path(asked.filename).parts[-3:])}:{asked.lineno} in {asked.name}: {asked.line}"] += 1


@contextmanager
def noticed(steps: int) -> Iterator[Waits]:
    """The waits from the end of the first optimizer step within to the end of step `steps`."""
    waits, made = Waits(), 0

    def shown(message: Warning | str, *rest: Any, **more: Any) -> None:
        if WARNING in str(message):
            waits.take(traceback.extract_stack()[:-1])

    def step(*_: Any) -> None:
        nonlocal made
        made += 1
        watch(made < steps)

    handle = register_optimizer_step_post_hook(step)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = shown
        try:
            yield waits
        finally:
            handle.remove()
            watch(False)


def watch(on: bool) -> None:
    if torch.cuda.is_available():
        torch.cuda.set_sync_debug_mode("warn" if on else "default")
