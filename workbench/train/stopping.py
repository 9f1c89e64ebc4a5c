"""Being asked to stop, by the stop file or by a signal; obeyed at the end of a step, by all ranks together."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether this process was asked to stop. Asking is cheap: one flag and one `stat`."""

    def __init__(self, file: Path) -> None:
        self._file = os.fspath(file)
        self._signal: str | None = None

    def listen(self) -> None:
        """From now on SIGTERM and SIGINT ask for a stop instead of ending the process."""
        for number in _SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = signal.Signals(number).name

    @property
    def reason(self) -> str | None:
        """Why to stop, None as long as there is no reason to."""
        if self._signal is not None:
            return f"asked to by {self._signal}"
        return "asked to" if os.path.exists(self._file) else None
