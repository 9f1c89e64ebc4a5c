"""The screen's budgets (DESIGN §11): first content, logged → on screen, bytes on the wire.

    pytest tests/benchmarks/test_tui_speed.py -m benchmark -s

Everything runs as a user runs it: processes on pseudo-terminals of 80×24, read through a screen emulator.
"""

from __future__ import annotations

import fcntl
import os
import pty
import random
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyte
import pytest

from workbench.contracts.events import EventWriter
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.registry import reindex

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

FABRICATE = Path(__file__).parents[1] / "tui" / "fabricate.py"
RUNS = 10_000
EMPTY_APP = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("hello")
Empty().run()
"""


class Screen:
    """A program on a pseudo-terminal, its output counted and shown on an emulated screen."""

    def __init__(self, *argv: str) -> None:
        self.began = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            os.execv(argv[0], argv)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self._screen)
        self.received = 0

    def read(self, seconds: float) -> bytes:
        """What comes within so many seconds; returns at the first piece."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        block = os.read(self.fd, 65536)
        self.received += len(block)
        # pyte stumbles over what it does not know of private sequences; the kitty keyboard's is one.
        self._stream.feed(block.replace(b"\x1b[>1u", b"").replace(b"\x1b[>25u", b"").replace(b"\x1b[<u", b""))
        return block

    def shows(self, text: str, seconds: float) -> float | None:
        """Seconds until `text` is on screen, counted from now; None if it never is."""
        began = time.perf_counter()
        while text not in "\n".join(self._screen.display):
            if time.perf_counter() - began > seconds:
                return None
            self.read(0.05)
        return time.perf_counter() - began

    def drain(self, seconds: float) -> int:
        """Bytes that come in so many seconds."""
        before, end = self.received, time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)
        return self.received - before

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def close(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def workbench(home: Home) -> Screen:
    return Screen(sys.executable, "-m", "workbench", "--home", str(home.path))


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """10,000 finished runs, ingested."""
    home = Home(tmp_path_factory.mktemp("home")).ensure()
    subprocess.run([sys.executable, str(FABRICATE), str(home.path), "--runs", str(RUNS)], check=True)
    assert reindex(home) == RUNS
    return home


def first_content(make: object, wanted: bytes) -> float:
    """Seconds from exec until `wanted` has been sent."""
    screen = make()  # type: ignore[operator]
    seen = b""
    try:
        while wanted not in seen:
            seen += screen.read(5.0)
            assert time.perf_counter() - screen.began < 20
        return time.perf_counter() - screen.began
    finally:
        screen.close()


def test_first_content_with_ten_thousand_runs(full_home: Home) -> None:
    """Budget: 0.35 s where an empty Textual app takes 0.20, and so 1.75 times an empty app on any machine."""
    empty, frame, rows = [], [], []
    for _ in range(9):
        empty.append(first_content(lambda: Screen(sys.executable, "-c", EMPTY_APP), b"hello"))
        frame.append(first_content(lambda: workbench(full_home), b"Runs"))
        rows.append(first_content(lambda: workbench(full_home), b"-9999"))
    base = statistics.median(empty)
    for name, times in (("an empty Textual app", empty), ("first content", frame), ("the newest runs", rows)):
        middle = statistics.median(times)
        print(f"\n{name}: {middle:.3f} s (best {min(times):.3f}), {middle / base:.2f} × empty", end="")
    assert statistics.median(frame) / base <= 1.75


@pytest.fixture
def live(tmp_path: Path) -> tuple[Home, RunDir, subprocess.Popen[bytes]]:
    """A home with one live run whose lock another process holds; this process writes its log."""
    home = Home(tmp_path / "home").ensure()
    holder = subprocess.Popen([sys.executable, str(FABRICATE), str(home.path), "--live", "1000000", "--pause", "3600"])
    run = RunDir(home.runs / "zlive0000")
    deadline = time.monotonic() + 20
    while not run.training() and time.monotonic() < deadline:
        time.sleep(0.05)
    yield home, run, holder  # type: ignore[misc]
    holder.kill()
    holder.wait()


def _step(log: EventWriter, step: int) -> None:
    noise = random.Random(step)
    scalars = {
        "train/loss": 1 / step + noise.random() / 50,
        "train/learning_rate": 5e-5,
        "train/grad_norm": noise.random(),
    }
    log.write("step", step=step, epoch=step / 1000, tokens=64 * step, scalars=scalars)


def test_logged_to_on_screen(live: tuple[Home, RunDir, object]) -> None:
    """Budget: p95 ≤ 300 ms from the write to the log until the step's number is on the emulated screen."""
    home, run, _ = live
    screen = workbench(home)
    assert screen.shows("live-run", 20) is not None
    screen.type("\r")
    assert screen.shows("step 1 of", 20) is not None
    screen.drain(2.0)
    log, took, dice = EventWriter(run.events), [], random.Random(7)
    for step in range(2, 82):
        _step(log, step)
        delay = screen.shows(f"step {step} of", 5)
        assert delay is not None, f"step {step} never came"
        took.append(delay)
        screen.drain(dice.uniform(0.02, 0.25))
    screen.close()
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"\nlogged → on screen: median {statistics.median(took) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms", end="")
    assert p95 <= 0.3


def test_bytes_on_the_wire(live: tuple[Home, RunDir, object], full_home: Home) -> None:
    """Budget: nothing at all while idle, at most 10 KB/s with live charts."""
    idle = workbench(full_home)
    assert idle.shows("-9999", 20) is not None
    idle.drain(3.0)
    still = idle.drain(5.0)
    idle.close()
    home, run, _ = live
    screen = workbench(home)
    assert screen.shows("live-run", 20) is not None
    screen.type("\r")
    assert screen.shows("step 1 of", 20) is not None
    log = EventWriter(run.events)
    for step in range(2, 200):
        _step(log, step)
    screen.drain(3.0)
    began = screen.received
    for step in range(200, 260):
        _step(log, step)
        screen.drain(0.1)
    rate = (screen.received - began) / 6.0
    screen.drain(2.0)
    quiet = screen.drain(3.0)
    screen.close()
    print(
        f"\nidle: {still} B in 5 s; four charts at 10 steps/s: {rate / 1024:.1f} KB/s; then idle: {quiet} B in 3 s",
        end="",
    )
    assert still == 0
    assert quiet == 0
    assert rate <= 10 * 1024
