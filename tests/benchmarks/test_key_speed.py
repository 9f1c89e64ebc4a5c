"""A key's way to the screen while four runs train (DESIGN §11), and how long the event loop is held up meanwhile.

    pytest tests/benchmarks/test_key_speed.py -m benchmark -s

The budget is p95 ≤ 50 ms and never more than 100 ms. How long a key takes is also what else the machine does, so that
the peer is a Textual app with one line of text, pressed in the same minute; the figures are printed, not asserted.
"""

from __future__ import annotations

import fcntl
import json
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
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.core.home import Home

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

FABRICATE = Path(__file__).parents[1] / "tui" / "fabricate.py"
PRESSES = 40
# Both apps beat every 5 ms in their event loop and write, when they end, how late each beat was.
BEAT = """
import asyncio, json, sys, time
class Beating:
    late = ()
    def beat(self):
        self.late = []
        self._beating = asyncio.create_task(self._beat())
    async def _beat(self):
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            self.late.append(time.perf_counter() - began - 0.005)
def run(app):
    app.run()
    with open(sys.argv[1], "w") as file:
        json.dump(app.late, file)
"""
PEER = f"""{BEAT}
from textual.app import App
from textual.widgets import Static
class Peer(Beating, App):
    BINDINGS = [("a", "say('one marked')"), ("b", "say('none')"), ("q", "quit")]
    def compose(self):
        yield Static("ready")
    def on_mount(self):
        self.beat()
    def action_say(self, text):
        self.query_one(Static).update(text)
run(Peer())
"""
WORKBENCH = f"""{BEAT}
from pathlib import Path
from workbench.core.home import Home
from workbench.tui import app
class Timed(Beating, app.WorkbenchApp):
    CSS_PATH = Path(app.__file__).with_name("app.tcss")
    def on_mount(self):
        self.set_timer(3.0, self.beat)  # the first frame has its own budget
run(Timed(Home(Path(sys.argv[2]))))
"""


class Terminal:
    """A program on a pseudo-terminal of 80×24."""

    def __init__(self, script: str, *arguments: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            os.execv(sys.executable, [sys.executable, "-c", script, *arguments])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def until(self, wanted: bytes, seconds: float = 20) -> float:
        """Seconds until `wanted` is sent."""
        began, seen = time.perf_counter(), b""
        while wanted not in seen:
            assert time.perf_counter() - began < seconds, f"{wanted!r} never came"
            if select.select([self.fd], [], [], 0.05)[0]:
                seen += os.read(self.fd, 65536)
        return time.perf_counter() - began

    def press(self, key: str, wanted: bytes) -> float:
        os.write(self.fd, key.encode())
        return self.until(wanted)

    def rest(self, seconds: float) -> None:
        """Read on for so long, so that the terminal is never what is waited for."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                os.read(self.fd, 65536)

    def leave(self) -> None:
        os.write(self.fd, b"q")
        while True:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:  # Linux says so when the other end has closed
                break
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def four_live(tmp_path: Path) -> Iterator[Home]:
    """A home with four runs that each log ten steps a second."""
    home = Home(tmp_path / "home").ensure()
    command = [sys.executable, str(FABRICATE), str(home.path), "--live", "1000000", "--pause", "0.1", "--id"]
    runs = [subprocess.Popen([*command, f"zlive000{number}"], stdout=subprocess.DEVNULL) for number in range(4)]
    yield home
    for run in runs:
        run.kill()
        run.wait()


def _said(name: str, took: list[float]) -> float:
    p95 = statistics.quantiles(took, n=20)[-1]
    middle = statistics.median(took)
    print(f"\n{name}: median {middle * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, most {max(took) * 1000:.0f} ms", end="")
    return p95


def _pressed(terminal: Terminal, pairs: list[tuple[str, bytes]], dice: random.Random, before: str = "") -> list[float]:
    """Seconds from each key to what it brings. The keys `before` are pressed first, untimed."""
    took = []
    for turn in range(PRESSES):
        if before:
            os.write(terminal.fd, before.encode())
            terminal.rest(0.2)
        terminal.rest(dice.uniform(0.05, 0.25))
        took.append(terminal.press(*pairs[turn % len(pairs)]))
    return took


def test_key_to_frame_with_four_live_runs(four_live: Home, tmp_path: Path) -> None:
    dice, late = random.Random(7), {name: tmp_path / f"{name}.json" for name in ("peer", "workbench")}
    peer = Terminal(PEER, str(late["peer"]))
    peer.until(b"ready")
    base = _said("key → frame, one line of text", _pressed(peer, [("a", b"one"), ("b", b"none")], dice))
    peer.leave()
    screen = Terminal(WORKBENCH, str(late["workbench"]), str(four_live.path))
    screen.until(b"live-run")
    screen.rest(3.0)
    runs = _pressed(screen, [(" ", "◆".encode())], dice, before="ug")
    figures = {"Runs": _said("key → frame, Runs with four live", runs)}
    os.write(screen.fd, b"ug    ")  # every run marked: four lines in each of the charts
    screen.rest(1.0)
    screen.press("\r", b"points")
    screen.rest(3.0)
    screen.press("L", b"(log)")
    # Back to linear is not timed: what it brings, a toast, may still stand there from the turn before.
    live = _pressed(screen, [("L", b"(log)")], dice, before="L")
    figures["Live"] = _said("key → frame, Live with four over each other", live)
    screen.leave()
    for name, p95 in figures.items():
        print(f"\n{name}: {p95 / base:.1f} × one line of text", end="")
    for name, path in late.items():
        _said(f"event loop held up, {name}", json.loads(path.read_text()))
    assert len(json.loads(late["workbench"].read_text())) > PRESSES
