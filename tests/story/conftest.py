"""A real terminal for tests: a pty, a child process, and a screen emulator that shows what a person would see."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest


class Terminal:
    """A program on a pty. `screen` is what it has drawn so far, as lines of text."""

    def __init__(self, argv: list[str], env: dict[str, str], *, columns: int = 120, lines: int = 40) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            with contextlib.suppress(BaseException):
                os.execvpe(argv[0], argv, env)
            os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def feed(self, seconds: float) -> bool:
        """Take in what the program writes for up to `seconds`. False once it has closed the terminal."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self.fd], [], [], left)
            if not ready:
                return True
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            # The emulator does not know the queries a modern program asks; without an answer they default.
            with contextlib.suppress(Exception):
                self._stream.feed(data)
        return True

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def wait_for(self, wanted: str | Callable[[str], bool], seconds: float) -> str:
        """The screen once `wanted` is on it. Fails, showing the screen, after `seconds`."""
        test = (lambda text: wanted in text) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            open_still = self.feed(0.1)
            if test(self.text):
                return self.text
            if not open_still:
                break
        pytest.fail(f"never saw {wanted!r} on\n{self.text}")

    def send(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def type(self, text: str) -> None:
        """Type as a person does, a key at a time."""
        for key in text:
            self.send(key)
            self.feed(0.02)

    def wait_exit(self, seconds: float) -> int:
        """The exit status. Fails if the program still runs after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            self.feed(0.05)
        pytest.fail(f"still running after {seconds} s:\n{self.text}")

    def close(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        with contextlib.suppress(OSError):
            os.close(self.fd)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A clean environment with a home of its own, and the colours a good terminal has."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {
        "HOME": str(tmp_path),
        "WORKBENCH_HOME": str(tmp_path / "home"),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "2",
    }


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    """Start `workbench …` on a terminal of its own; closed when the test ends."""
    opened: list[Terminal] = []

    def start(*arguments: str, columns: int = 120, lines: int = 40) -> Terminal:
        argv = [sys.executable, "-m", "workbench", *arguments]
        opened.append(Terminal(argv, environment, columns=columns, lines=lines))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
