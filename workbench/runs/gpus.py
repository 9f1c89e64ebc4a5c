"""GPU readings by NVML, where there is an NVIDIA driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Gpus:
    """The GPUs that the trainer may see. Without a driver there are none, and every reading is empty."""

    def __init__(self, visible: str | None) -> None:
        """`visible` is the trainer's CUDA_VISIBLE_DEVICES: None means all, empty means none."""
        self._nvml: Any = None
        self._devices: Mapping[int, Any] = {}
        if visible is not None and not visible.strip():
            return
        try:
            import pynvml

            pynvml.nvmlInit()
        except Exception:  # noqa: BLE001  # no library, no driver, no device: each has its own error class
            return
        self._nvml = pynvml
        self._devices = chosen(pynvml, visible)

    def read(self) -> dict[str, float]:
        """`system/gpuN/utilization` in percent, `memory` in bytes in use, `power` in watts, by physical index."""
        found: dict[str, float] = {}
        for index, device in self._devices.items():
            found |= {f"system/gpu{index}/{name}": value for name, value in _reading(self._nvml, device).items()}
        return found


def chosen(nvml: Any, visible: str | None) -> dict[int, Any]:
    """Handles by physical index of the devices that CUDA_VISIBLE_DEVICES names, by index or by UUID."""
    handles = {index: nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())}
    if visible is None:
        return handles
    wanted = [entry.strip() for entry in visible.split(",") if entry.strip()]
    return {index: handle for index, handle in handles.items() if _named(nvml, index, handle, wanted)}


def _named(nvml: Any, index: int, handle: Any, wanted: list[str]) -> bool:
    uuid = nvml.nvmlDeviceGetUUID(handle)
    uuid = uuid.decode() if isinstance(uuid, bytes) else str(uuid)
    return any(entry == str(index) or (not entry.isdigit() and uuid.startswith(entry)) for entry in wanted)


def _reading(nvml: Any, device: Any) -> dict[str, float]:
    """What this device can tell: not every one has a power meter."""
    readers: dict[str, Callable[[], float]] = {
        "utilization": lambda: float(nvml.nvmlDeviceGetUtilizationRates(device).gpu),
        "memory": lambda: float(nvml.nvmlDeviceGetMemoryInfo(device).used),
        "power": lambda: nvml.nvmlDeviceGetPowerUsage(device) / 1000.0,
    }
    found = {}
    for name, reader in readers.items():
        try:
            found[name] = reader()
        except nvml.NVMLError:
            continue
    return found
