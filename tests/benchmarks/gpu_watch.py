"""What the driver says of the GPU, looked at while others use it. CUDA is not touched."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Self

_EVERY = 0.05  # seconds


def gpu_name() -> str | None:
    """The first GPU's name; None where there is no GPU or no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0)))
    except pynvml.NVMLError:
        return None


@dataclass(frozen=True)
class Sample:
    t: float
    busy: int  # per cent of the time that some kernel ran
    used: int  # bytes of the GPU's memory, whoever uses them


class Watch:
    """Samples the first GPU until it is closed. Without one it has no samples."""

    def __init__(self, gpu: bool) -> None:
        self._samples: list[Sample] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        if gpu:
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def busy(self, began: float, ended: float) -> float | None:
        """The mean utilisation, in per cent."""
        within = [sample.busy for sample in self._samples if began <= sample.t <= ended]
        return sum(within) / len(within) if within else None

    def memory(self, began: float, ended: float) -> int | None:
        """Bytes in use at most, beyond what was in use when the watch began."""
        within = [sample.used for sample in self._samples if began <= sample.t <= ended]
        return max(within) - self._samples[0].used if within else None

    def _look(self) -> None:
        import pynvml

        pynvml.nvmlInit()
        card = pynvml.nvmlDeviceGetHandleByIndex(0)
        while not self._over.wait(_EVERY):
            busy, memory = pynvml.nvmlDeviceGetUtilizationRates(card), pynvml.nvmlDeviceGetMemoryInfo(card)
            self._samples.append(Sample(time.time(), int(busy.gpu), int(memory.used)))
