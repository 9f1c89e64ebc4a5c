"""Which device and which precision: what the recipe asks for, checked against what is there."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench import recipe
from workbench.core.errors import BadInput

if TYPE_CHECKING:
    import torch

Precision = Literal["bf16", "fp16", "fp32"]


@dataclass(frozen=True, slots=True)
class Device:
    """`kind` is cpu or cuda, `name` is for people, `index` which of the GPUs it is."""

    kind: Literal["cpu", "cuda"]
    name: str
    precision: Precision
    index: int = 0

    @property
    def torch(self) -> torch.device:
        """It as torch names it."""
        import torch

        return torch.device(self.kind, self.index) if self.kind == "cuda" else torch.device("cpu")


def choose(asked: recipe.Recipe) -> Device:
    """The device and precision to train in. Raises BadInput where what is asked for is not there."""
    import torch

    gpu = torch.cuda.is_available()
    if asked.launch.device == "cuda" and not gpu:
        raise BadInput("no CUDA device", where="launch.device", hint='use "auto" or "cpu"')
    if gpu and asked.launch.device != "cpu":
        # Each process of a node has a GPU of its own.
        index = int(os.environ.get("LOCAL_RANK", "0"))
        torch.cuda.set_device(index)
        return Device("cuda", torch.cuda.get_device_name(), _on_gpu(asked.train.precision), index)
    return Device("cpu", _cpu_name(), _on_cpu(asked.train.precision))


def peak_memory(kind: str) -> int:
    """Bytes: what was reserved on the GPU at most, or what the process had resident at most."""
    if kind == "cuda":
        import torch

        return int(torch.cuda.max_memory_reserved())
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _on_gpu(asked: str) -> Precision:
    import torch

    # Emulated bf16 is slower than fp32: only Ampere and later have it.
    native = torch.cuda.get_device_capability() >= (8, 0)
    if asked == "auto":
        return "bf16" if native else "fp16"
    if asked == "bf16" and not native:
        raise BadInput("this GPU has no bf16", where="train.precision", hint='use "fp16" or "auto"')
    return "fp16" if asked == "fp16" else ("bf16" if asked == "bf16" else "fp32")


def _on_cpu(asked: str) -> Precision:
    if asked == "fp16":
        raise BadInput("a CPU does not train in fp16", where="train.precision", hint='use "bf16", "fp32" or "auto"')
    if asked == "auto":
        return "bf16" if cpu_has_bf16() else "fp32"
    return "bf16" if asked == "bf16" else "fp32"


@functools.cache
def _cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is no such file."""
    try:
        block = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 matrices itself (AVX512-BF16 or AMX)."""
    return bool({"avx512_bf16", "amx_bf16"} & set(_cpuinfo().get("flags", "").split()))


def _cpu_name() -> str:
    return _cpuinfo().get("model name", "CPU")
