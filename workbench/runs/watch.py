"""One trainer, from its start to its end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any, Final

import psutil

from workbench.contracts.events import StoppingEvent, SystemEvent, WarningEvent
from workbench.core.rundir import RunDir, write_atomic
from workbench.runs import record, stop_escalation
from workbench.runs.engines.local import Command
from workbench.runs.identity import Identity, tagged
from workbench.runs.oom import oom_kills
from workbench.runs.outcome import End, Verdict, judge
from workbench.runs.sampling import Progress, Sampler
from workbench.runs.stop_escalation import Ladder, Patience
from workbench.runs.supervisor_log import PatientLog

POLL: Final = 0.2
"""Seconds between looks at the stop file; the trainer's end is seen at once."""

_CONSOLE_REACH: Final = 1 << 16
_GRACE: Final = 3.0


class Watch:
    """Starts the trainer and stays until it, and everything it started, has ended."""

    def __init__(
        self,
        run: RunDir,
        facts: Mapping[str, Any],
        command: Command,
        *,
        attempt: int,
        log: PatientLog,
        patience: Patience,
    ) -> None:
        self._run, self._command, self._attempt, self._log = run, command, attempt, log
        self._stall_minutes = float(facts.get("recipe", {}).get("launch", {}).get("stall_minutes", 30))
        self._ladder = Ladder(patience)
        self._request: tuple[int, int] | None = None
        self._code: int | None = None
        self._trainer: Identity | None = None
        self._terminated = False
        self._wake = _wakeup(self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._terminated = self._terminated or number != signal.SIGCHLD

    def spawn(self) -> Identity:
        """Start the trainer in its own session, its output on console.log. Raises OSError."""
        self._console_start = _size(self._run)
        self._oom_before = oom_kills()
        append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        pid = os.posix_spawn(
            self._command.argv[0],
            self._command.argv,
            self._command.env,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.fspath(self._run.console), append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            # What this process ignores or was started ignoring is not the trainer's business; SIGHUP stays ignored.
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ],
        )
        # A trainer that is gone already is a zombie until we reap it: the pid is ours.
        self._trainer = Identity.of(pid) or Identity(pid, -1, "")
        return self._trainer

    def abandon(self) -> None:
        """End a trainer whose start could not be recorded."""
        if self._trainer is not None:
            os.kill(self._trainer.pid, signal.SIGKILL)
            os.waitpid(self._trainer.pid, 0)

    def until_it_ends(self) -> Verdict:
        """Watch; then end what is left over, and judge."""
        start = time.monotonic()
        sampler = Sampler(self._pid, self._command.env.get("CUDA_VISIBLE_DEVICES"))
        progress = Progress(self._run.events, 60 * self._stall_minutes, start)
        sample_at = start
        while not self._reap():
            now = time.monotonic()
            self._look_for_stop(now)
            self._climb(now)
            if progress.stalled(now):
                text = f"no progress for {self._stall_minutes:g} minutes, though the trainer lives"
                self._log.write(WarningEvent(code="stall", text=text))
            if now >= sample_at:
                self._log.write(SystemEvent(scalars=sampler.read(now)))
                sample_at = now + sampler.interval(now - start)
            self._sleep()
        end_leftovers(self._run)
        self._reap()
        return judge(self._end())

    @property
    def _pid(self) -> int:
        assert self._trainer is not None
        return self._trainer.pid

    def _sleep(self) -> None:
        if select.select([self._wake], [], [], POLL)[0]:
            self._wake.recv(4096)

    def _reap(self) -> bool:
        """Take in whatever has ended: the trainer, and orphans that became our children."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self._pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code is not None

    def _look_for_stop(self, now: float) -> None:
        if self._terminated and not self._run.stop_request.exists():
            _request_stop(self._run)
        try:
            found = os.stat(self._run.stop_request)
        except OSError:
            return
        if (found.st_mtime_ns, found.st_ino) != self._request:
            self._request = found.st_mtime_ns, found.st_ino
            self._ask(now, hurry=_wants_now(self._run))

    def _ask(self, now: float, *, hurry: bool) -> None:
        slowest = 0.0 if hurry else stop_escalation.slowest(self._run.events, self._attempt)
        if self._ladder.ask(now, now=hurry, slowest=slowest):
            reason = "asked to end now" if hurry else "asked to end after its step"
            self._log.write(StoppingEvent(reason=reason))

    def _climb(self, now: float) -> None:
        number = self._ladder.climb(now)
        if number is None:
            return
        self._log.write(StoppingEvent(reason=f"not ended yet: sending {number.name}"))
        for process in self._targets(number):
            process.send(number)

    def _targets(self, number: signal.Signals) -> list[Identity]:
        """SIGTERM goes to the ranks, who answer it with a save (a launcher would kill them); SIGKILL to everything."""
        assert self._trainer is not None
        if number is signal.SIGKILL:
            return [self._trainer, *tagged(self._run)]
        ranks = _children(self._pid) if self._command.several else []
        return ranks or [self._trainer]

    def _end(self) -> End:
        assert self._code is not None
        return End(
            exit_code=self._code if self._code >= 0 else None,
            signal=-self._code if self._code < 0 else None,
            said=record.finished(self._run.events, self._attempt),
            console=_console(self._run, self._console_start),
            oom_kills=(oom_kills() or 0) - (self._oom_before or 0),
            sent=self._ladder.sent,
        )


def _wakeup(handler: Any) -> socket.socket:
    """A socket that becomes readable whenever a child ends or we are asked to end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)
    return ours


def end_leftovers(run: RunDir) -> None:
    """End every process that carries the run's tags: ranks that outlived their launcher, loaders, servers."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = tagged(run)
        for process in left:
            process.send(number)
        # After SIGKILL too: what they hold of a GPU is free only when they are gone.
        deadline = time.monotonic() + _GRACE
        while left and time.monotonic() < deadline:
            time.sleep(0.02)
            left = [process for process in left if process.alive()]


def _children(pid: int) -> list[Identity]:
    try:
        children = psutil.Process(pid).children()
    except psutil.Error:
        return []
    return [identity for child in children if (identity := Identity.of(child.pid))]


def _request_stop(run: RunDir) -> None:
    with contextlib.suppress(OSError):  # a full disk: tried again in a moment
        write_atomic(run.stop_request, json.dumps({"t": round(time.time(), 3), "now": False}) + "\n")


def _wants_now(run: RunDir) -> bool:
    try:
        return bool(json.loads(run.stop_request.read_text("utf-8"))["now"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _size(run: RunDir) -> int:
    try:
        return os.stat(run.console).st_size
    except OSError:
        return 0


def _console(run: RunDir, start: int) -> str:
    """The end of what this attempt wrote to the console."""
    try:
        with run.console.open("rb") as console:
            size = console.seek(0, os.SEEK_END)
            console.seek(max(start, size - _CONSOLE_REACH))
            return console.read().decode("utf-8", "replace")
    except OSError:
        return ""
