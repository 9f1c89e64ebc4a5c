"""A TUI whose terminal has gone ends; it never spins. Real processes on real pseudo-terminals."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

PROGRAM = """
import sys
from pathlib import Path
from workbench.core.home import Home
from workbench.tui.app import run_tui
sys.exit(run_tui(Home(Path(sys.argv[1]))))
"""


class Terminal:
    """A program on a pseudo-terminal of 80×24 in its own session, as a shell's child would be."""

    def __init__(self, argv, *, ignore_hangup=False):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

        def prepare():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            # Whoever runs the tests may ignore it themselves (nohup).
            signal.signal(signal.SIGHUP, signal.SIG_IGN if ignore_hangup else signal.SIG_DFL)

        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, preexec_fn=prepare,
            env=os.environ | {"TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)
        self.seen = b""

    def read_until(self, wanted, seconds=30.0):
        deadline = time.monotonic() + seconds
        while wanted not in self.seen and time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 65536)
        assert wanted in self.seen, self.seen[-2000:]

    def type(self, text):
        os.write(self.master, text.encode())

    def hang_up(self):
        os.close(self.master)
        self.master = -1

    def wait(self, seconds=20.0):
        """The exit code; reads on, so that the program is never stuck in a write."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.master >= 0 and select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    break
            elif self.master < 0:
                time.sleep(0.05)
        return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master >= 0:
            os.close(self.master)


@pytest.fixture
def start(home):
    started = []

    def make(**options):
        started.append(Terminal([sys.executable, "-c", PROGRAM, str(home.path)], **options))
        started[-1].read_until(b"start one from a recipe")
        return started[-1]

    yield make
    for terminal in started:
        terminal.close()


@pytest.mark.parametrize("ignore_hangup", [False, True], ids=["default", "ignored"])
def test_it_ends_when_its_terminal_is_closed(start, ignore_hangup):
    terminal = start(ignore_hangup=ignore_hangup)
    terminal.hang_up()
    assert terminal.wait() in (128 + signal.SIGHUP, 0, -signal.SIGHUP)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_it_and_the_terminal_is_given_back(start, number):
    terminal = start()
    terminal.process.send_signal(number)
    assert terminal.wait() == 0
    assert b"\x1b[?1049l" in terminal.seen  # the alternate screen is left


def test_q_leaves_and_the_terminal_is_given_back(start):
    terminal = start()
    terminal.type("q")
    assert terminal.wait() == 0
    assert b"\x1b[?1049l" in terminal.seen


def test_without_a_terminal_there_is_one_sentence_and_exit_code_2(home):
    program = f"""
import sys
from pathlib import Path
from workbench.core.home import Home
from workbench.core.errors import BadInput
from workbench.tui.app import run_tui
try:
    run_tui(Home(Path({str(home.path)!r})))
except BadInput as error:
    print(error.sentence)
    sys.exit(error.exit_code)
"""
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs a terminal" in done.stdout


def test_back_from_the_shell_the_screen_is_there_again(start):
    terminal = start()
    terminal.type("\x1a")  # ctrl+z
    deadline = time.monotonic() + 20
    while os.waitpid(terminal.process.pid, os.WUNTRACED | os.WNOHANG)[0] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    terminal.seen = b""
    terminal.process.send_signal(signal.SIGCONT)
    terminal.read_until(b"start one from a recipe")
