"""The trainer's event log, as rank 0 writes it, on a disk that may be full.

Training does not end because a line could not be written. What could not be is kept, in order, and tried again with
the next event; stderr (the console log) says so once for each time the disk fills.
"""

from __future__ import annotations

import errno
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from workbench.contracts.events import UNDATED, Event, EventWriter, WarningEvent

_HELD_BACK: Final = "log-held-back"
_WAITING: Final = 100_000  # events kept while the disk is full: about 20 MB


class Journal(Protocol):
    """Where the training side says what happens."""

    def write(self, event: Event) -> None: ...

    def warn(self, code: str, text: str, *, count: int = 1) -> None: ...

    def close(self) -> None: ...


class LogJournal:
    """Appends to the run's `events.jsonl`. `patience`: seconds for which the end is tried again on a full disk."""

    def __init__(self, path: Path, *, attempt: int, patience: float = 60.0) -> None:
        self._log = EventWriter(path, attempt=attempt)
        self._waiting: deque[Event] = deque(maxlen=_WAITING)
        self._patience = patience

    def write(self, event: Event) -> None:
        """Append one event, or keep it for later where the disk does not take it. Never raises OSError."""
        dated = replace(event, t=time.time()) if self._waiting and event.t == UNDATED else event
        try:
            self._catch_up()
            self._log.append(dated)
        except OSError as error:
            if not self._waiting:
                print(f"events.jsonl cannot be written ({error}); training goes on", file=sys.stderr, flush=True)
                self._waiting.append(self._told(error))
            self._waiting.append(replace(dated, t=time.time()) if dated.t == UNDATED else dated)

    def _told(self, error: OSError) -> Event:
        """What the log itself will say of the gap, before what was held back."""
        name = errno.errorcode.get(error.errno or 0, "error")
        text = f"the log could not be written ({name}: {error.strerror or error}): events from here on were held back"
        return WarningEvent(code=_HELD_BACK, text=text, t=time.time())

    def _catch_up(self) -> None:
        """Raises OSError where the disk still takes nothing."""
        while self._waiting:
            self._log.append(self._waiting[0])
            self._waiting.popleft()

    def warn(self, code: str, text: str, *, count: int = 1) -> None:
        self.write(WarningEvent(code=code, text=text, count=count))

    def close(self) -> None:
        """Bring the log onto the disk, as far as it takes it: how the run ended before all else."""
        deadline = time.monotonic() + self._patience
        while not self._all_written() and time.monotonic() < deadline:
            time.sleep(1.0)
        if self._waiting:
            lost = sum(getattr(event, "code", "") != _HELD_BACK for event in self._waiting)
            print(f"{lost} events were lost to a full disk", file=sys.stderr, flush=True)
            with suppress(OSError):
                self._log.append(self._waiting[-1])
        with suppress(OSError):
            self._log.sync()
        self._log.close()

    def _all_written(self) -> bool:
        with suppress(OSError):
            self._catch_up()
        return not self._waiting


class SilentJournal:
    """What ranks other than the first write to: nothing."""

    def write(self, event: Event) -> None:
        pass

    def warn(self, code: str, text: str, *, count: int = 1) -> None:
        pass

    def close(self) -> None:
        pass
