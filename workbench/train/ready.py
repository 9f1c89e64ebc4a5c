"""What an attempt starts from, and what it ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from workbench.recipe import Recipe
from workbench.tasks.interface import Prepared, Task
from workbench.train import device
from workbench.train.best import Rule
from workbench.train.methods import Learning

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended when nothing went wrong. `peak_memory` is in bytes, see `device.peak_memory`."""

    state: Literal["completed", "stopped"]
    reason: str
    peak_memory: int | None = None


@dataclass(frozen=True)
class Ready:
    """All that training needs, before the first weight moves."""

    recipe: Recipe
    task: Task[Any, Any]
    device: device.Device
    prepared: Prepared[Any, Any]
    model: PreTrainedModel
    learning: Learning
    rule: Rule
