"""What was typed before: JSON lines in the home, one an entry, recalled with up and down."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

KEPT = 500


class History:
    """Entries, oldest first, and a place among them. The newest place is the draft being typed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = _read(path)[-KEPT:]
        self._place = len(self.entries)
        self._draft = ""

    def add(self, text: str) -> None:
        """Keep `text`, unless it is blank or the newest already. Raises OSError where it cannot be written."""
        self._draft = ""
        if text.strip() and self.entries[-1:] != [text]:
            self.entries.append(text)
            _append(self.path, text)
        self._place = len(self.entries)

    def older(self, draft: str) -> str | None:
        """The entry before this place, None at the oldest. `draft` is what stands in the input now."""
        if self._place == 0:
            return None
        if self._place == len(self.entries):
            self._draft = draft
            if self.entries[-1] == draft and self._place > 1:
                self._place -= 1  # it is what stands there still, just kept
        self._place -= 1
        return self.entries[self._place]

    def newer(self) -> str | None:
        """The entry after this place; after the newest, the draft; None when already there."""
        if self._place >= len(self.entries):
            return None
        self._place += 1
        return self.entries[self._place] if self._place < len(self.entries) else self._draft


def _read(path: Path) -> list[str]:
    """Every readable entry; a torn line, or a file that is not there, is nothing."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return []
    return [text for line in lines if (text := _entry(line)) is not None]


def _entry(line: bytes) -> str | None:
    try:
        text = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError):
        return None
    return text if isinstance(text, str) else None


def _append(path: Path, text: str) -> None:
    line = json.dumps({"t": round(time.time(), 3), "text": text}, ensure_ascii=False) + "\n"
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # A line torn by a full disk must not swallow this one.
        size = os.fstat(fd).st_size
        torn = size and os.pread(fd, 1, size - 1) != b"\n"
        os.write(fd, ("\n" if torn else "").encode() + line.encode("utf-8", "replace"))
    finally:
        os.close(fd)
