"""What a trainer and its descendants take of the machine, and whether they get anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from workbench.runs.gpus import Gpus


class Sampler:
    """Readings of one process tree. `at` is always seconds on a monotonic clock."""

    def __init__(self, pid: int, visible_gpus: str | None) -> None:
        self._pid = pid
        self._gpus = Gpus(visible_gpus)
        self._before: tuple[float, float] | None = None

    def interval(self, running: float) -> float:
        """Seconds to the next reading: close together while the first minute's news is awaited."""
        return 2.0 if running < 60 else 10.0

    def read(self, at: float) -> dict[str, float]:
        """`system/cpu` in percent of one core since the last reading, `system/memory` in bytes, and the GPUs'."""
        seconds, memory = _usage(self._pid)
        found = {"system/memory": float(memory)} if memory else {}
        if self._before is not None and at > self._before[0]:
            busy = max(0.0, seconds - self._before[1])
            found["system/cpu"] = round(100.0 * busy / (at - self._before[0]), 1)
        self._before = at, seconds
        return found | self._gpus.read()


def _usage(pid: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of a process and its descendants; pages shared with the first count once."""
    try:
        first = psutil.Process(pid)
        tree = [first, *first.children(recursive=True)]
    except psutil.Error:
        return 0.0, 0
    seconds, memory = 0.0, 0
    for process in tree:
        try:
            with process.oneshot():
                times, sizes = process.cpu_times(), process.memory_info()
        except psutil.Error:
            continue
        seconds += times.user + times.system
        memory += sizes.rss if process is first else max(0, sizes.rss - getattr(sizes, "shared", 0))
    return seconds, memory


class StallWatch:
    """Tells when a log has not grown for too long, once for each silence."""

    def __init__(self, log: Path, limit: float, at: float) -> None:
        """`limit` in seconds."""
        self._log, self._limit = log, limit
        self._size, self._since, self._told = self._length(), at, False

    def stalled(self, at: float) -> bool:
        """Whether the silence has just become too long."""
        size = self._length()
        if size != self._size:
            self._size, self._since, self._told = size, at, False
        elif not self._told and at - self._since >= self._limit:
            self._told = True
            return True
        return False

    def _length(self) -> int:
        try:
            return os.stat(self._log).st_size
        except OSError:
            return -1
