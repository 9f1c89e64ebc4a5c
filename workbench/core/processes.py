"""Which process is which: a pid alone may be another's by now.

A process is named by its pid, the clock tick it started at and the boot it started in (proc(5)).
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")

UTF8: Final = {"PYTHONUTF8": "1"}
"""For the environment of our own children: they write and read UTF-8 whatever the locale is."""


def boot_id() -> str:
    """Differs after every start of the machine; empty where the kernel does not say."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """The clock tick since boot at which the process started; None where there is none, or only its zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold anything: count from its end.
    fields = stat[stat.rfind(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, for as long as it lives."""

    pid: int
    start_ticks: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has this pid now."""
        ticks = start_ticks(pid)
        return None if ticks is None else cls(pid, ticks, boot_id())

    def alive(self) -> bool:
        return not self.rebooted() and start_ticks(self.pid) == self.start_ticks

    def rebooted(self) -> bool:
        """Whether this machine has been started anew since."""
        return self.boot_id != boot_id()

    def send(self, number: signal.Signals) -> bool:
        """Signal this process and no other. False where it has gone."""
        try:
            # The descriptor pins the process: whatever takes the pid after this check is not signalled.
            fd = os.pidfd_open(self.pid)
        except OSError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(fd)
        return True
