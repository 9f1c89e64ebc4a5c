"""The supervisor's log on a disk that may be full: watching goes on, and the end is written if it can be at all."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from workbench.contracts.events import Event, EventWriter

_INSIST: Final = 60.0
"""Seconds for which the last word is tried again."""


def say(text: str) -> None:
    """Print a line on the console, which lies on the same disk."""
    with contextlib.suppress(OSError):
        print(f"supervisor: {text}", file=sys.stderr, flush=True)


class PatientLog:
    """An EventWriter whose writes may fail without ending the supervisor."""

    def __init__(self, path: Path, attempt: int) -> None:
        self._log = EventWriter(path, attempt=attempt)

    def write(self, event: Event) -> bool:
        """Append one event; False, and a word on the console, where the disk does not take it."""
        try:
            self._log.append(event)
        except OSError as error:
            say(f"{event.type} not logged ({error.strerror or error})")
            return False
        return True

    def insist(self, event: Event) -> None:
        """Append one event that matters, and bring it onto the disk; tried until it works or a minute is over."""
        dated = replace(event, t=time.time())
        deadline = time.monotonic() + _INSIST
        while not self.write(dated) and time.monotonic() < deadline:
            time.sleep(1.0)
        try:
            self._log.sync()
        except OSError as error:
            say(f"log not synced ({error.strerror or error})")

    def close(self) -> None:
        self._log.close()
