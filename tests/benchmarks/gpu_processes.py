"""Functions and programs that run in processes of their own, one after another or all at once."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


class Failed(Exception):
    """A process ended without a result; the text says why, in a line."""


class Processes:
    """Starts processes for functions by `multiprocessing`; they say what they have to say into `log`.

    With `forked`, from a process that has imported `gpu_imports` already: starting then takes no time.
    """

    def __init__(self, log: Path, *, forked: bool) -> None:
        self._log = log
        self._context = multiprocessing.get_context("forkserver" if forked else "spawn")
        if forked:
            self._context.set_forkserver_preload(["gpu_imports"])

    def call(self, function: Callable[..., Any], *parts: Any, timeout: float) -> Any:
        """What the function returns. Raises Failed."""
        (answer,) = self.together([(function, *parts)], timeout=timeout)
        return answer

    def together(self, calls: Sequence[tuple[Any, ...]], *, timeout: float) -> list[Any]:
        """What the functions return, each called with the rest of its tuple, all at the same time. Raises Failed."""
        until, begun = time.monotonic() + timeout, [self._start(call) for call in calls]
        try:
            return [self._answer(process, ours, until) for process, ours in begun]
        finally:
            for process, _ in begun:
                if process.is_alive():
                    process.kill()
                process.join()

    def _start(self, call: tuple[Any, ...]) -> tuple[Any, Connection]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_answer, args=(theirs, str(self._log), call))
        process.start()
        theirs.close()
        return process, ours

    def _answer(self, process: Any, ours: Connection, until: float) -> Any:
        if not ours.poll(max(0.0, until - time.monotonic())):
            raise Failed("took too long")
        try:
            answer, error = ours.recv()
        except EOFError:
            process.join()
            raise Failed(f"ended with exit code {process.exitcode}; {_last_line(self._log)}") from None
        if error is not None:
            raise Failed(error)
        return answer


def _answer(pipe: Connection, log: str, call: tuple[Any, ...]) -> None:
    """Within the new process: call the function, its output appended to `log`, and send what it returns."""
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        function, *parts = call
        pipe.send((function(*parts), None))
    except BaseException as error:  # noqa: BLE001  # the edge of the process
        traceback.print_exc()
        pipe.send((None, f"{type(error).__name__}: {error}".split("\n")[0]))
    sys.stderr.flush()


def program(*arguments: str, log: Path, timeout: float) -> tuple[str, float]:
    """What a Python program prints, and the seconds from its start to its end. Raises Failed."""
    started, command = time.monotonic(), [sys.executable, *arguments]
    try:
        with log.open("ab") as errors:
            ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise Failed("took too long") from None
    if ended.returncode:
        raise Failed(f"ended with exit code {ended.returncode}; {_last_line(log)}")
    return ended.stdout.decode(), time.monotonic() - started


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
