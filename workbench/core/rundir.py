"""A run's directory: what is in it, how it is named, and how anyone may tell that its processes live."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Crockford's base 32: digits and letters in sorting order without i, l, o and u, which are misread.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_EPOCH = 1_735_689_600  # 2025-01-01 UTC


def new_run_id(now: float | None = None) -> str:
    """Nine characters: six of the second it was made in (good until 2058), three random. Sorts by age."""
    import secrets  # it loads OpenSSL, and most who import this module make no run

    seconds = int((time.time() if now is None else now) - _EPOCH)
    stamp = "".join(_ALPHABET[(seconds >> shift) & 31] for shift in range(25, -1, -5))
    return stamp + "".join(secrets.choice(_ALPHABET) for _ in range(3))


SILENCE: Final = 900.0
"""Seconds without a sign after which a run on another machine is no longer believed to be at work.

A supervisor writes every ten, so that clocks may differ and a disk may dawdle.
"""


@dataclass(frozen=True)
class RunDir:
    """Paths within one run's directory. Nothing here is created or read until asked."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def recipe(self) -> Path:
        """The recipe as launched, byte for byte."""
        return self.path / "recipe.toml"

    @property
    def facts(self) -> Path:
        """`run.json`: id, name, created, recipe (resolved), overrides, digest, argv, git, versions, base_dir."""
        return self.path / "run.json"

    @property
    def supervisor(self) -> Path:
        """`supervisor.json`: pid, start_ticks, boot_id, host and the trainer's pid, attempt."""
        return self.path / "supervisor.json"

    @property
    def supervisor_lock(self) -> Path:
        return self.path / "supervisor.lock"

    @property
    def trainer_lock(self) -> Path:
        return self.path / "trainer.lock"

    @property
    def stop_request(self) -> Path:
        """Exists when the run is asked to stop at the end of a step: `{"t", "now"}`."""
        return self.path / "stop"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def supervisor_log(self) -> Path:
        return self.path / "supervisor.jsonl"

    @property
    def user_log(self) -> Path:
        return self.path / "user.jsonl"

    @property
    def logs(self) -> tuple[Path, Path, Path]:
        """Every event log of the run."""
        return self.events, self.supervisor_log, self.user_log

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def has_model(self) -> bool:
        """Whether a model or adapters were saved at its end."""
        return any((self.model / name).is_file() for name in ("config.json", "adapter_config.json"))

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    def read_facts(self) -> dict[str, Any]:
        """`run.json` as a dict. Raises OSError or ValueError where it is missing or damaged."""
        facts = json.loads(self.facts.read_text("utf-8"))
        if not isinstance(facts, dict):
            raise ValueError(f"{self.facts} is not an object")
        return facts

    def supervised(self) -> bool:
        """Whether a supervisor of this run lives on this host (or one that shares its locks)."""
        return is_locked(self.supervisor_lock)

    def training(self) -> bool:
        """Whether a trainer of this run lives."""
        return is_locked(self.trainer_lock)

    def alive(self) -> bool:
        return self.supervised() or self.training()

    def disk_full(self) -> bool:
        """Whether the disk that the run lies on has no room for another line."""
        with contextlib.suppress(OSError):
            found = os.statvfs(self.path)
            return found.f_bavail * found.f_frsize < 4096
        return False

    def last_sign(self) -> float:
        """Wall-clock seconds at which anything of the run's processes was last written; 0 if nothing was."""
        times = [0.0]
        for path in (self.events, self.supervisor_log, self.console):
            with contextlib.suppress(OSError):
                times.append(os.stat(path).st_mtime)
        return max(times)


def is_locked(path: Path) -> bool:
    """Whether a process holds the flock on `path`. A lock dies with its holder; a pid may be another's by now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):  # another user's, whose logs are no more readable than this
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def hold_lock(path: Path, *, patience: float = 1.0) -> int | None:
    """Take the flock on `path` for as long as this process lives. Returns its descriptor, None if another has it.

    Someone who only looks (`is_locked`) holds a shared lock for microseconds, hence the `patience` (seconds). The
    descriptor is close-on-exec: a child that outlives us must not keep the lock for us.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(fd)
                return None
            time.sleep(0.01)


def write_atomic(path: Path, text: str) -> None:
    """Replace `path` whole or not at all, 0600, synced before it takes its name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Force a file, or a directory's entries, onto the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
