"""The processes of a run, and what they agree on. With one process every question answers itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
import torch.distributed as dist

from workbench.core.errors import WorkbenchError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ranks:
    """`group` speaks gloo, so that flags in host memory are agreed on without waiting for a GPU."""

    rank: int
    world: int
    group: dist.ProcessGroup | None = None

    @classmethod
    def of_environment(cls) -> Ranks:
        """What torchrun said; the group is there once the process group is."""
        return cls(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))

    def joined(self, asked: int, *, on_gpu: bool = False) -> Ranks:
        """Checked against what the recipe asked for, and ready to agree. Raises WorkbenchError."""
        if self.world == asked > 1 and not dist.is_initialized():
            dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
        there = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        if there != asked or self.world != asked:
            raise WorkbenchError(
                f"{asked} processes were asked for and {there} are there",
                where="launch.processes",
                hint="start the run with `workbench run`, which starts every process",
            )
        return self if asked == 1 else Ranks(dist.get_rank(), asked, dist.new_group(backend="gloo"))

    @property
    def first(self) -> bool:
        return self.rank == 0

    def any(self, *flags: bool) -> list[bool]:
        """Each flag, true where any process has it true."""
        if self.group is None:
            return list(flags)
        told = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(told, dist.ReduceOp.MAX, group=self.group)
        return [bool(flag) for flag in told.tolist()]

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The element-wise sum over the processes, in host memory."""
        values = values.cpu()
        if self.group is not None:
            dist.all_reduce(values, group=self.group)
        return values

    def gather(self, part: T) -> list[T]:
        """What each process gives, in the first; an empty list in the others."""
        if self.group is None:
            return [part]
        parts: list[T | None] | None = [None] * self.world if self.first else None
        dist.gather_object(part, parts, dst=0, group=self.group)
        return cast("list[T]", parts or [])

    def share(self, value: T | None) -> T:
        """What the first process gives, in all of them. The others may give None."""
        box = [value]
        if self.group is not None:
            dist.broadcast_object_list(box, src=0, group=self.group)
        return cast("T", box[0])

    def wait(self) -> None:
        """Until every process is here."""
        if self.group is not None:
            dist.barrier(group=self.group)
