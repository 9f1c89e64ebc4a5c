"""The terminal we run in: whether it is one, when it has gone, and its clipboard."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.core.errors import BadInput
from workbench.core.text import clean, cut

if TYPE_CHECKING:
    from textual.app import App

# How a shell reports a program that a hangup ended.
_HUNG_UP = 128 + signal.SIGHUP


def require_terminal() -> None:
    """Raises BadInput unless keys can be read and a screen drawn (Textual draws on stderr)."""
    if not (sys.__stdin__ and sys.__stdin__.isatty() and sys.__stderr__ and sys.__stderr__.isatty()):
        raise BadInput("the screen needs a terminal", hint="use `workbench ls` and the other commands in a pipe")


class TerminalWatch:
    """Ends the program when its terminal has gone.

    Textual's input thread spins on the end of file that a vanished terminal gives when SIGHUP is ignored (nohup), and
    its writer blocks for ever. `poll` with no events asked still reports a hangup, so this thread sleeps until then.
    `gone` runs first, briefly: whatever else must end with us.
    """

    def __init__(self, gone: Callable[[], None], *, patience: float = 1.0) -> None:
        self._gone, self._patience = gone, patience
        self._thread = threading.Thread(target=self._run, name="terminal-watch", daemon=True)

    def start(self) -> None:
        if sys.__stdin__ is not None:
            self._thread.start()

    def _run(self) -> None:
        poller = select.poll()
        assert sys.__stdin__ is not None
        poller.register(sys.__stdin__.fileno(), 0)
        while not any(mask & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, mask in poller.poll()):
            time.sleep(0.1)
        self.leave()

    def leave(self) -> None:
        """End now: nothing can be drawn or asked any more, and runs go on without us."""
        helper = threading.Thread(target=self._gone, daemon=True)
        helper.start()
        helper.join(self._patience)
        os._exit(_HUNG_UP)


def on_signals(leave: Callable[[], None]) -> None:
    """Have SIGHUP (unless the user ignores it: nohup) and SIGTERM end the app in good order."""
    import asyncio

    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, leave)


def notification(text: str, term: str) -> str:
    """What makes the terminal notify: OSC 9, OSC 777, or both where it is not known which of them it understands.

    kitty, WezTerm, ghostty and iTerm2 read the first, rxvt and foot the second, and a terminal passes over what it
    does not know. Some read both: they are sent one, so as to notify once.
    """
    said = clean(cut(text, 200)).replace(";", ",")
    nine, urxvt = f"\x1b]9;workbench: {said}\x1b\\", f"\x1b]777;notify;workbench;{said}\x1b\\"
    wanted = {"rxvt": urxvt, "foot": urxvt, "xterm-kitty": nine, "xterm-ghostty": nine, "wezterm": nine}
    sent = next((osc for name, osc in wanted.items() if term.startswith(name)), nine + urxvt)
    # tmux swallows both, unless they are wrapped (and its allow-passthrough is on).
    return f"\x1bPtmux;{sent.replace(chr(27), chr(27) * 2)}\x1b\\" if os.environ.get("TMUX") else sent


def send(app: App[Any], sequence: str) -> None:
    """Write a sequence between Textual's own. Its driver is private; tried with textual 8.2.8."""
    if app._driver is not None:
        app._driver.write(sequence)


def tmux_copy(text: str) -> None:
    """Give `text` to tmux, which swallows OSC 52 from its panes by default, for its buffer and the outer terminal."""
    if not os.environ.get("TMUX"):
        return
    command = ["tmux", "load-buffer", "-w", "-"]
    # Where this fails, OSC 52 has been sent all the same.
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(command, input=text.encode("utf-8", "replace"), timeout=2, capture_output=True)


def editor() -> list[str]:
    """The user's editor as a command."""
    import shlex

    return shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
