"""The trainer's event log, as rank 0 writes it, on a disk that may be full.

Training does not end because a line could not be written. What could not be is kept, in order, and tried again with
the next event; stderr (the console log) says so once for each time the disk fills.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from workbench.contracts.events import UNDATED, Event, EventWriter, WarningEvent

_WAITING: Final = 100_000  # events kept while the disk is full: about 20 MB


class Journal(Protocol):
    """Where the training side says what happens."""

    def write(self, event: Event) -> None: ...

    def warn(self, code: str, text: str, *, count: int = 1) -> None: ...

    def close(self) -> None: ...


class LogJournal:
    """Appends to the run's `events.jsonl`."""

    def __init__(self, path: Path, *, attempt: int) -> None:
        self._log = EventWriter(path, attempt=attempt)
        self._waiting: deque[Event] = deque(maxlen=_WAITING)

    def write(self, event: Event) -> None:
        """Append one event, or keep it for later where the disk does not take it. Never raises OSError."""
        try:
            while self._waiting:
                self._log.append(self._waiting[0])
                self._waiting.popleft()
            self._log.append(event)
        except OSError as error:
            if not self._waiting:
                print(f"events.jsonl cannot be written ({error}); training goes on", file=sys.stderr, flush=True)
            self._waiting.append(replace(event, t=time.time()) if event.t == UNDATED else event)

    def warn(self, code: str, text: str, *, count: int = 1) -> None:
        self.write(WarningEvent(code=code, text=text, count=count))

    def close(self) -> None:
        """Bring the log onto the disk, as far as it takes it."""
        if self._waiting:
            print(f"{len(self._waiting)} events were lost to a full disk", file=sys.stderr, flush=True)
        with suppress(OSError):
            self._log.sync()
        self._log.close()


class SilentJournal:
    """What ranks other than the first write to: nothing."""

    def write(self, event: Event) -> None:
        pass

    def warn(self, code: str, text: str, *, count: int = 1) -> None:
        pass

    def close(self) -> None:
        pass
