"""Taking a run's model out of it: a copy that needs neither the run nor, merged, its base."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.processes import UTF8
from workbench.core.rundir import RunDir
from workbench.models.locate import is_adapter
from workbench.tasks.spec import spec_of

# What of a checkpoint is for going on with training, not for using the model.
TRAINING: Final = frozenset(
    {"optimizer.pt", "scheduler.pt", "scaler.pt", "trainer_state.json", "state.json", "MANIFEST.json"}
)
# What of adapters is within the model once they are merged.
ADAPTER: Final = frozenset(
    {
        "adapter_config.json", "adapter_model.safetensors", "config.json", "model_config.json",
        "generation_config.json", "README.md",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exported:
    """`adapters` says that it needs its base still; `merged` that it has it within."""

    path: Path
    bytes: int
    adapters: bool
    merged: bool


def export(run: RunDir, to: Path, *, source: Path | None = None, merge: bool = False) -> Exported:
    """Copy `source`, by default the run's model/, into the directory `to`, which is made.

    `merge` works adapters into their base; a model without any is copied as it is. Raises BadInput where there is no
    model or `to` is taken, WorkbenchError and OSError where it cannot be written; then nothing is left behind.
    """
    found = source or run.model
    if not found.is_dir():
        raise BadInput("there is no model yet", where=run.id, hint="wait for its end, or give --checkpoint")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise BadInput("something is there already", where=str(to), hint="choose a directory that is new or empty")
    adapted = is_adapter(found)
    partial = to.with_name(f".{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        if adapted and merge:
            _merge(run, found, partial)
            links = {file.name for file in found.iterdir() if file.is_symlink()}
            _copy(found, partial, without=TRAINING | ADAPTER | links)
        else:
            _copy(found, partial, without=TRAINING)
        if to.exists():
            to.rmdir()
        os.rename(partial, to)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    size = sum(file.lstat().st_size for file in to.rglob("*") if file.is_file())
    return Exported(to, size, adapted and not merge, adapted and merge)


def _copy(source: Path, to: Path, *, without: Collection[str]) -> None:
    for file in source.iterdir():
        if file.is_file() and file.name not in without and not file.name.startswith(("rng_state", ".")):
            # Under the user's own umask; the weights of a base stay where they are.
            shutil.copyfile(file, to / file.name, follow_symlinks=False)


def _merge(run: RunDir, source: Path, to: Path) -> None:
    head = spec_of(str(json.loads((source / "workbench.json").read_text("utf-8"))["task"])).head
    argv = [sys.executable, "-m", "workbench.models.merging", str(source), head.auto_class, str(to)]
    environment = os.environ | UTF8 | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    child = subprocess.run(
        argv, capture_output=True, encoding="utf-8", errors="replace", env=environment, stdin=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    if child.returncode:
        said = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        if child.returncode == 2:
            raise BadInput(said)
        raise WorkbenchError(f"the adapters were not merged ({said})", where=run.id)
