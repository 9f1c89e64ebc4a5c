"""Writing a log: one JSON object a line, append only, one writer a file."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from workbench.contracts.coding import text
from workbench.contracts.events.event import UNDATED, VERSION, Event, StepEvent, UnknownEvent
from workbench.contracts.events.parsing import parse
from workbench.contracts.events.process_events import SystemEvent
from workbench.core import redact


class EventWriter:
    """The one writer of one log.

    Each event is a single `write` to a file opened for appending, so that a reader, and a crash, see whole lines
    or one torn tail. A writer that finds a torn tail starts on a fresh line and goes on after the last `seq`.
    """

    def __init__(self, path: Path, *, attempt: int = 1, clock: Callable[[], float] = time.time) -> None:
        self.path, self.attempt, self._clock = path, attempt, clock
        self._seq, self._torn = self._tail()
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _tail(self) -> tuple[int, bool]:
        """The last seq in the file, and whether its last line is torn."""
        try:
            with self.path.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                reach = 1 << 16
                while size:
                    log.seek(max(0, size - reach))
                    block = log.read()
                    whole = [event for line in block.split(b"\n") if (event := parse(line))]
                    if whole or reach >= size:
                        return (whole[-1].seq if whole else 0), not block.endswith(b"\n")
                    reach *= 4
        except FileNotFoundError:
            pass
        return 0, False

    def append(self, event: Event) -> None:
        """Append one event, with the next `seq`, the writer's attempt and, where it is undated, the time it is now.

        Raises OSError when the disk is full; a part of the line that was written is closed off by the next write.
        """
        head = {
            "v": VERSION,
            "seq": self._seq + 1,
            "t": round(self._clock() if event.t == UNDATED else event.t, 6),
            "attempt": self.attempt,
            "type": event.type,
        }
        line = text(head | event.fields())
        if not isinstance(event, (StepEvent, SystemEvent)):  # numbers alone, and training waits for them
            line = redact.text(line)
        # A lone surrogate (from a data set's text, say) cannot be encoded: it is replaced, the event is kept.
        self._append(line.encode("utf-8", "replace") + b"\n")
        self._seq += 1

    def write(self, type: str, /, *, t: float | None = None, **fields: object) -> None:
        """Append an event of a type, or with fields, that this version need not know: nothing of it is checked."""
        self.append(UnknownEvent(name=type, t=UNDATED if t is None else t, rest=fields))

    def _append(self, data: bytes) -> None:
        # A short write is a full disk: the next line must not be glued to the torn one.
        torn, self._torn = self._torn, True
        if torn:
            data = b"\n" + data
        done = os.write(self._fd, data)
        try:
            if done < len(data):
                done += os.write(self._fd, data[done:])
            if done < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        except OSError:
            self._torn = torn or not self._take_back(done)
            raise
        self._torn = False

    def _take_back(self, written: int) -> bool:
        """Cut off the part of a line, so that a shorter one finds room. Returns whether that was possible."""
        try:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
        except OSError:
            return False
        return True

    def sync(self) -> None:
        """Force what was written onto the disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)
