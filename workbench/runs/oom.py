"""Whether the kernel's out-of-memory killer has struck: its counters, read before and after."""

from __future__ import annotations

from pathlib import Path


def oom_kills(root: Path = Path("/")) -> int | None:
    """How many processes of our memory cgroup the kernel has killed for want of memory; None where it does not say.

    cgroup v2 counts in `memory.events`, v1 in `memory.oom_control`; where neither can be read, `/proc/vmstat` counts
    for the whole machine. Only differences mean anything. `root` stands in for `/`.
    """
    for path in (*_cgroup_files(root), root / "proc/vmstat"):
        count = _counter(path)
        if count is not None:
            return count
    return None


def _cgroup_files(root: Path) -> list[Path]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        hierarchy, controllers, group = line.split(":", 2)
        if "memory" in controllers.split(","):
            found.append(root / "sys/fs/cgroup/memory" / group.strip("/") / "memory.oom_control")
        elif hierarchy == "0":
            found.append(root / "sys/fs/cgroup" / group.strip("/") / "memory.events")
    return found


def _counter(path: Path) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
    return int(counts[0]) if counts else None
