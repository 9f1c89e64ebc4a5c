"""The trainer as one process on this machine, started directly."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from signal import SIGINT, SIGKILL, SIGPIPE, SIGTERM, SIGXFSZ, Signals
from typing import Final

from workbench.core.processes import Identity
from workbench.core.rundir import RunDir
from workbench.runs.engines.engine import Exited, Gone, Job, Submitted, Working
from workbench.runs.engines.run_processes import carries, end_tagged, tagged
from workbench.runs.engines.trainer_environment import environment
from workbench.runs.oom import oom_kills

TRAINER: Final = ("-m", "workbench.train")

_CONSOLE_REACH: Final = 1 << 16
"""Bytes from the end of console.log that may tell how an attempt ended."""


def argv(worker: Sequence[str]) -> list[str]:
    """How Python runs `worker`, a script or `-m module` with its arguments.

    `-P` keeps the working directory off the import path: no file lying there can stand in for a library.
    """
    return [sys.executable, "-P", *worker]


class LocalEngine:
    """One process a run. It leads its own session, so that it goes on when the supervisor is killed.

    Whoever submits must be the process that finds: only the parent learns the exit status. Any other process finds
    the trainer at work, by its pid, start and tags, or gone.
    """

    def __init__(self) -> None:
        self._child: int | None = None
        self._status: int | None = None
        self._console_start, self._oom_before = 0, 0

    def argv(self, job: Job) -> list[str]:
        """The command that an attempt is started with."""
        return argv((*TRAINER, str(job.run.path)))

    def submit(self, job: Job) -> Submitted:
        env, command = environment(job), list(job.program) or self.argv(job)
        self._console_start, self._oom_before = _size(job.run), oom_kills() or 0
        self._child = _spawn(command, env, job.run)
        # A trainer that is gone already is a zombie until we reap it: the pid is ours.
        process = Identity.of(self._child) or Identity(self._child, -1, "")
        return Submitted(socket.gethostname(), process, argv=tuple(command), gpus=env.get("CUDA_VISIBLE_DEVICES"))

    def find(self, run: RunDir, submitted: Submitted) -> Working | Exited | Gone:
        process = submitted.process
        if process is not None and process.pid == self._child:
            self._reap()
            return Working() if self._status is None else self.exited(run, self._status)
        if submitted.host != socket.gethostname():
            return Gone(f"it ran on {submitted.host}, which has been silent since")
        # Its lock may not be taken yet, so the process itself is asked for.
        if process is not None and process.alive() and carries(process.pid, run):
            return Working()
        if process is not None and process.rebooted():
            return Gone("the machine was restarted while it ran")
        return Gone("both its supervisor and its trainer were killed; neither could say why")

    def exited(self, run: RunDir, status: int) -> Exited:
        """What an exit status means; negative is a signal."""
        code, number = (status, None) if status >= 0 else (None, -status)
        return Exited(code, number, _console(run, self._console_start), (oom_kills() or 0) - self._oom_before)

    def signal(self, run: RunDir, submitted: Submitted, number: Signals) -> None:
        if submitted.process is not None:
            for process in self.receivers(run, submitted.process, number):
                process.send(number)

    def receivers(self, run: RunDir, trainer: Identity, number: Signals) -> list[Identity]:
        """The processes that a signal is for: the trainer, and for SIGKILL whatever it has started too."""
        return [trainer, *tagged(run)] if number is SIGKILL else [trainer]

    def forget(self, run: RunDir) -> None:
        end_tagged(run)
        self._reap()

    def _reap(self) -> None:
        """Take in whatever has ended: the trainer, and orphans that became our children."""
        while self._child is not None:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._child:
                self._status = os.waitstatus_to_exitcode(status)


def _spawn(command: list[str], env: dict[str, str], run: RunDir) -> int:
    """Start a process in its own session, its output on console.log. Raises OSError."""
    return os.posix_spawn(
        command[0],
        command,
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.fspath(run.console), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        # What this process ignores or was started ignoring is not the trainer's business; SIGHUP stays ignored.
        setsigdef=[SIGINT, SIGTERM, SIGPIPE, SIGXFSZ],
    )


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
