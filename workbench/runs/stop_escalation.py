"""How a trainer that was asked to stop is made to: the request, then SIGTERM, then SIGKILL.

The trainer answers the request (and SIGTERM, which means the same to it) at the end of a step, and then saves. The
next stage therefore begins only after longer than the slowest save and the longest silence seen in this attempt.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from workbench.contracts.events import times


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait in each stage: `least` or longer, as saves are slow; `hurry` where the stop cannot wait."""

    least: float = 120.0
    hurry: float = 5.0

    def between(self, slowest: float) -> float:
        """How long to wait where the slowest save or silence took `slowest` seconds."""
        return max(self.least, 2 * slowest + self.least / 4)


@dataclass(slots=True)
class StopEscalation:
    """Which signal is due when. Times are seconds on a monotonic clock."""

    patience: Patience = field(default_factory=Patience)
    asked: bool = False
    now: bool = False
    sent: signal.Signals | None = None
    _due: float = 0.0
    _wait: float = 0.0

    def ask(self, at: float, *, now: bool, slowest: float) -> bool:
        """Begin, or hurry up. Returns whether that is news."""
        if self.asked and (self.now or not now):
            return False
        self.asked, self.now = True, now
        self._wait = self.patience.hurry if now else self.patience.between(slowest)
        self._due = at if now and self.sent is None else at + self._wait
        return True

    def due(self, at: float) -> signal.Signals | None:
        """The signal to send now, if one is due."""
        if not self.asked or self.sent is signal.SIGKILL or at < self._due:
            return None
        self.sent = signal.SIGTERM if self.sent is None else signal.SIGKILL
        self._due = at + self._wait
        return self.sent


def slowest(events: Path, attempt: int) -> float:
    """Seconds of the slowest save and the longest silence an attempt's log tells of; 0 where it tells nothing."""
    told = list(times(events, attempt))
    silences = (later - earlier for (earlier, _), (later, _) in pairwise(told))
    return max((0.0, *(seconds for _, seconds in told), *silences))
