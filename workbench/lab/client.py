"""The lab as the panes and the command line see it: ask, and wait for the answer. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from workbench.contracts.lab import wire
from workbench.contracts.lab.request import AnyRequest, LabRequest, StreamRequest, parse_answer
from workbench.contracts.lab.wire import ReplyLine
from workbench.core.errors import WorkbenchError
from workbench.core.processes import UTF8

R = TypeVar("R")

_LOG_LIMIT: Final = 1 << 20
_END: Final = 5.0  # seconds that a process which takes no requests has to be known as ended


class Lab:
    """One lab process, started with the first request, and started again when it has died.

    Every method may be called from any thread. `home` is handed on as WORKBENCH_HOME, and holds `lab.log`,
    where the process's stderr goes.
    """

    def __init__(
        self,
        python: str = sys.executable,
        *,
        home: Path | None = None,
        arguments: Sequence[str] = ("-m", "workbench.lab"),
    ) -> None:
        self._command, self._home = (python, *arguments), home
        self._starting = threading.Lock()
        self._process: _Process | None = None
        self._closed = False
        self._ids = itertools.count(1)

    @property
    def pid(self) -> int | None:
        """Of the process that answers now; None before the first request."""
        process = self._process
        return process.pid if process else None

    def ask(self, request: LabRequest[R]) -> R:
        """What a request is answered. Blocks. Raises WorkbenchError (BadInput where the user can correct it)."""
        reply = next(self._sent(request))
        if reply.error is not None:
            raise reply.error
        return parse_answer(request, reply.body)

    def stream(self, request: StreamRequest[R]) -> PieceStream[R]:
        """The pieces of a stream as they come. The request is sent now, not with the first `next`."""
        return PieceStream(request, self._sent(request))

    def send(self, request: AnyRequest) -> None:
        """Ask, and do not wait: whatever the answer is, nobody hears of it. Raises WorkbenchError."""
        self._sent(request)

    def close(self) -> None:
        """End the process. Requests in flight fail; later ones too."""
        with self._starting:
            self._closed = True
            if self._process:
                self._process.end()

    def _sent(self, request: AnyRequest) -> _Inbox:
        id = next(self._ids)
        line = wire.write_request(id, request)
        for _ in range(3):
            process = self._running()
            try:
                return process.send(id, line)
            except BrokenPipeError:
                # It is gone, and may not be known to be yet: another try would go to the same one.
                process.ended.wait(_END)
        raise WorkbenchError("the lab process ends as soon as it starts", hint="see lab.log in the home")

    def _running(self) -> _Process:
        with self._starting:
            if self._closed:
                raise WorkbenchError("the lab is closed")
            if self._process is None or not self._process.alive:
                self._process = _Process(self._command, self._home, self._died)
            return self._process

    def _died(self, owing: int) -> bool:
        """A process has ended with `owing` requests unanswered. Returns whether another was started."""
        if not owing or self._closed:
            return False
        with contextlib.suppress(WorkbenchError):
            self._running()
            return True
        return False


class PieceStream(Iterator[R], Generic[R]):
    """Pieces of one stream. `cancel` may be called from another thread; iteration ends soon after."""

    def __init__(self, request: StreamRequest[R], inbox: _Inbox) -> None:
        self._request, self._inbox, self._ended = request, inbox, False

    def __next__(self) -> R:
        if self._ended:
            raise StopIteration
        reply = next(self._inbox)
        if not reply.last:
            return parse_answer(self._request, reply.body)
        self._ended = True
        raise reply.error or StopIteration

    def cancel(self) -> None:
        self._inbox.cancel()


class _Inbox(Iterator[ReplyLine]):
    """The replies to one request."""

    def __init__(self, id: int, process: _Process) -> None:
        self.id, self._process = id, process
        self.replies: queue.SimpleQueue[ReplyLine] = queue.SimpleQueue()

    def __next__(self) -> ReplyLine:
        return self.replies.get()

    def cancel(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.write(wire.write_cancel(self.id))


class _Process:
    """One life of the lab: its process, and the thread that hands out its replies."""

    def __init__(self, command: Sequence[str], home: Path | None, died: Callable[[int], bool]) -> None:
        self._died = died
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._waiting: dict[int, _Inbox] = {}
        self.alive, self.ended = True, threading.Event()
        self._popen = _spawn(command, home)
        self.pid = self._popen.pid
        threading.Thread(target=self._receive, name="lab-replies", daemon=True).start()

    def send(self, id: int, line: bytes) -> _Inbox:
        """Raises BrokenPipeError where the process is gone; the request is then nobody's."""
        inbox = _Inbox(id, self)
        with self._lock:
            if not self.alive:
                raise BrokenPipeError
            self._waiting[id] = inbox
        try:
            self.write(line)
        except BrokenPipeError:
            with self._lock:
                if self._waiting.pop(id, None) is None:
                    return inbox  # the receiver saw the death first and has answered it
            raise
        return inbox

    def write(self, line: bytes) -> None:
        assert self._popen.stdin is not None
        with self._writing:
            try:
                self._popen.stdin.write(line)
                self._popen.stdin.flush()
            except (OSError, ValueError) as error:
                raise BrokenPipeError from error

    def end(self) -> None:
        """Close its stdin, which ends it; kill it if it does not."""
        assert self._popen.stdin is not None
        with contextlib.suppress(OSError):
            self._popen.stdin.close()
        try:
            self._popen.wait(2)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _receive(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            with contextlib.suppress(ValueError):
                self._hand_out(wire.read_reply(line))
        self._popen.stdout.close()
        self._bury()

    def _hand_out(self, reply: ReplyLine) -> None:
        with self._lock:
            inbox = self._waiting.pop(reply.id, None) if reply.last else self._waiting.get(reply.id)
        if inbox:
            inbox.replies.put(reply)

    def _bury(self) -> None:
        assert self._popen.stdin is not None
        code = self._popen.wait()
        with contextlib.suppress(OSError):
            self._popen.stdin.close()
        with self._lock:
            self.alive = False
            owed, self._waiting = list(self._waiting.values()), {}
        self.ended.set()
        again = self._died(len(owed))
        error = _obituary(code, again)
        for inbox in owed:
            inbox.replies.put(ReplyLine(inbox.id, error=error))


def _obituary(code: int, restarted: bool) -> WorkbenchError:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    if restarted:
        return WorkbenchError(f"the lab process {how} and was restarted", hint="ask again")
    return WorkbenchError(f"the lab process {how}")


def _spawn(command: Sequence[str], home: Path | None) -> subprocess.Popen[bytes]:
    environment = os.environ | UTF8
    if home is not None:
        environment["WORKBENCH_HOME"] = str(home)
    log = _open_log(home)
    try:
        # Its own session: neither Ctrl-C nor Ctrl-Z at the terminal is meant for it.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise WorkbenchError(f"the lab process cannot be started ({error})", where=str(command[0])) from error
    finally:
        if log >= 0:
            os.close(log)


def _open_log(home: Path | None) -> int:
    """A descriptor of `lab.log`, begun anew once it is over a megabyte; DEVNULL where there is no home."""
    if home is None or not home.is_dir():
        return subprocess.DEVNULL
    path = home / "lab.log"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        if path.exists() and path.stat().st_size > _LOG_LIMIT:
            flags |= os.O_TRUNC
        return os.open(path, flags, 0o600)
    except OSError:
        return subprocess.DEVNULL
