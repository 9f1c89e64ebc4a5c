"""What a checkpoint holds of the training itself, beside the weights: optimizer, schedule, loss scale, generators."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from workbench.train.ranks import Ranks
from workbench.train.sharding import StateDict, load_optimizer_state

if TYPE_CHECKING:
    from torch.optim.lr_scheduler import LRScheduler
    from transformers import PreTrainedModel

_OPTIMIZER: Final = "optimizer.pt"
_SCHEDULE: Final = "scheduler.pt"
_SCALER: Final = "scaler.pt"


@dataclass(frozen=True)
class TrainingState:
    """`scaler` is None but in fp16."""

    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    scaler: torch.amp.GradScaler | None

    def save(self, directory: Path, optimizer: StateDict) -> None:
        """`optimizer` is `sharding.optimizer_state`. Raises OSError, and RuntimeError where the disk is full."""
        torch.save(optimizer, directory / _OPTIMIZER)
        torch.save(self.schedule.state_dict(), directory / _SCHEDULE)
        if self.scaler is not None:
            torch.save(self.scaler.state_dict(), directory / _SCALER)

    def load(self, directory: Path) -> None:
        """Raises OSError, and ValueError where it is of another optimizer."""
        # To host memory first: on a GPU that is nearly full there is no room for it twice.
        load_optimizer_state(self.model, self.optimizer, _read(directory / _OPTIMIZER))
        self.schedule.load_state_dict(_read(directory / _SCHEDULE))
        if self.scaler is not None and (directory / _SCALER).is_file():
            self.scaler.load_state_dict(_read(directory / _SCALER))


def save_generators(directory: Path, ranks: Ranks) -> None:
    """The states of all generators of this process. Raises OSError, and RuntimeError where the disk is full."""
    states = {"python": random.getstate(), "numpy": np.random.get_state(), "cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    torch.save(states, _generators(directory, ranks))


def load_generators(directory: Path, ranks: Ranks) -> None:
    """Go on drawing where the checkpoint's process was. Raises OSError."""
    states = _read(_generators(directory, ranks))
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and "cuda" in states:
        found = states["cuda"]
        # Several states are those of all GPUs of a node.
        torch.cuda.set_rng_state(found if torch.is_tensor(found) else found[torch.cuda.current_device()])


def _generators(directory: Path, ranks: Ranks) -> Path:
    return directory / ("rng_state.pth" if ranks.world == 1 else f"rng_state_{ranks.rank}.pth")


def _read(file: Path) -> Any:
    from transformers.trainer_pt_utils import safe_globals

    # numpy's state is an array: this allows what unpickling one needs, and nothing else.
    with safe_globals():
        return torch.load(file, map_location="cpu", weights_only=True)
