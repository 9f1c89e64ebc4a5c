"""Writing what a run has become: checkpoints it can go on from, and the model it was for."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safetensors import SafetensorError

from workbench.contracts.events import CheckpointEvent
from workbench.core.rundir import sync
from workbench.models.adapter_files import config_of
from workbench.train import adapters, checkpoints
from workbench.train.ranks import Ranks
from workbench.train.resume import Progress
from workbench.train.run_log import Journal
from workbench.train.state import save_generators

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

CARD: Final = "workbench.json"
_SLACK: Final = 32 << 20  # bytes beside weights and optimizer: tokenizer, states, the file system's own

# What a disk that is full, or gone, makes torch and safetensors raise.
Unwritable = (OSError, RuntimeError, SafetensorError)


@dataclass(frozen=True)
class Card:
    """`workbench.json` beside the weights: what they are, for whoever opens them later."""

    task: str
    run: str
    max_length: int
    recipe: Mapping[str, object]

    def write(self, directory: Path, step: int) -> None:
        record = {
            "task": self.task,
            "run": self.run,
            "step": step,
            "max_length": self.max_length,
            "recipe": self.recipe,
        }
        (directory / CARD).write_text(json.dumps(record, indent=1, ensure_ascii=False), "utf-8")


class Saver:
    """Seals checkpoints under `root`. A save that does not succeed leaves nothing behind and ends nothing."""

    def __init__(self, root: Path, journal: Journal, ranks: Ranks, *, keep: int) -> None:
        self._root, self._journal, self._ranks, self._keep = root, journal, ranks, keep

    def save(self, model: PreTrainedModel, progress: Progress, write: Callable[[Path], None]) -> bool:
        """Seal the step, prune the older ones, and write the `checkpoint` event. Returns whether it is sealed.

        `write` puts weights and training state into a directory; it is called in the first process.
        """
        started = time.monotonic()
        partial = checkpoints.partial(self._root, progress.step)
        sealed = self._first(lambda: self._begin(model, partial))
        sealed = sealed and self._everyone(lambda: save_generators(partial, self._ranks))
        sealed = sealed and self._first(lambda: self._finish(write, partial, progress, started))
        if not sealed and self._ranks.first:
            shutil.rmtree(partial, ignore_errors=True)
        return sealed

    def _begin(self, model: PreTrainedModel, partial: Path) -> None:
        self._root.mkdir(mode=0o700, exist_ok=True)
        checkpoints.discard_partial(self._root)
        needed, free = estimate(model), shutil.disk_usage(self._root).free
        if needed > free:
            raise OSError(28, f"about {needed / 2**20:,.0f} MiB are needed and {free / 2**20:,.0f} MiB are free")
        partial.mkdir(mode=0o700)

    def _finish(self, write: Callable[[Path], None], partial: Path, progress: Progress, started: float) -> None:
        write(partial)
        progress.write(partial)
        path, manifest = checkpoints.publish(partial, self._root, progress.step)
        best = progress.standing.best_step
        checkpoints.prune(self._root, self._keep, spare=() if best is None else (best,))
        self._journal.write(
            CheckpointEvent(
                step=progress.step,
                path=f"{self._root.name}/{path.name}",
                bytes=manifest.bytes,
                seconds=round(time.monotonic() - started, 3),
                best=best == progress.step,
            )
        )

    def _first(self, work: Callable[[], None]) -> bool:
        return bool(self._ranks.share(self._tried(work) if self._ranks.first else None))

    def _everyone(self, work: Callable[[], None]) -> bool:
        (failed,) = self._ranks.any(not self._tried(work))
        return not failed

    def _tried(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Unwritable as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._journal.warn("checkpoint-failed", f"the checkpoint was not saved ({said}); training goes on")
            return False
        return True


def estimate(model: PreTrainedModel) -> int:
    """Bytes a checkpoint takes: the weights, and two moments in fp32 of those that are trained."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    kept = trainable if adapters.is_adapted(model) else model.state_dict().values()
    weights: dict[int, int] = {id(tensor): tensor.numel() * tensor.element_size() for tensor in kept}
    moments: int = sum(8 * parameter.numel() for parameter in trainable)
    return sum(weights.values()) + moments + _SLACK


def take_thresholds(directory: Path, config: PreTrainedConfig) -> None:
    """Put the labels' thresholds that were saved with some weights back beside them: they were the best for these."""
    file = config_of(directory)
    if hasattr(config, "thresholds") and file.is_file():
        saved = json.loads(file.read_text("utf-8"))
        config.thresholds = saved.get("thresholds", config.thresholds)


def write_model(write: Callable[[Path], None], final: Path) -> None:
    """`model/`, written by `write` beside it and moved into place whole.

    Raises OSError and what a full disk else makes.
    """
    partial, old = (final.with_name(f".{final.name}.{word}") for word in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    partial.mkdir(mode=0o700)
    try:
        write(partial)
        for file in partial.iterdir():
            sync(file)
        if final.exists():
            os.rename(final, old)
        os.rename(partial, final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    sync(final.parent)
