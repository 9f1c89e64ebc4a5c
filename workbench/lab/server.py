"""The lab's loop: read requests, run each in its lane, write replies."""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator

from workbench.contracts.lab import wire
from workbench.contracts.lab.wire import CancelLine, RequestLine
from workbench.core.errors import WorkbenchError
from workbench.lab.services import Services, lane

_Job = tuple[RequestLine, threading.Event]


class Server:
    """Answers requests on `output`, a file descriptor of its own that nothing else may write to."""

    def __init__(self, services: Services, output: int) -> None:
        self._services, self._output = services, output
        self._writing = threading.Lock()
        self._lanes: dict[str, queue.SimpleQueue[_Job]] = {}
        self._cancels: dict[int, threading.Event] = {}

    def serve(self, lines: Iterable[bytes]) -> None:
        """Returns when `lines` end, whatever still runs: whoever asked has gone."""
        for line in lines:
            try:
                message = wire.read_request(line)
            except ValueError as error:
                print(f"unreadable request: {error}", file=sys.stderr)
                continue
            self._take(message)

    def _take(self, message: RequestLine | CancelLine) -> None:
        if isinstance(message, CancelLine):
            if cancel := self._cancels.get(message.id):
                cancel.set()
            return
        cancel = self._cancels[message.id] = threading.Event()
        self._lane(lane(message.method)).put((message, cancel))

    def _lane(self, name: str) -> queue.SimpleQueue[_Job]:
        if name not in self._lanes:
            jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(jobs,), name=name, daemon=True).start()
            self._lanes[name] = jobs
        return self._lanes[name]

    def _work(self, jobs: queue.SimpleQueue[_Job]) -> None:
        while True:
            request, cancel = jobs.get()
            self._write(self._answer(request, cancel))
            self._cancels.pop(request.id, None)

    def _answer(self, request: RequestLine, cancel: threading.Event) -> bytes:
        """The last line on a request. Pieces of a stream are written on the way."""
        try:
            result = None
            if not cancel.is_set():
                result = self._services.answer(request.method, request.params)
                if isinstance(result, Iterator):
                    self._stream(request.id, result, cancel)
                    result = None
            return wire.write_result(request.id, result)
        except WorkbenchError as error:
            return wire.write_error(request.id, error)
        except Exception as error:  # noqa: BLE001  # the edge of a thread: recorded, and told to whoever asked
            traceback.print_exc()
            fault = WorkbenchError(f"{request.method} failed: {type(error).__name__}: {error}"[:2000])
            return wire.write_error(request.id, fault)

    def _stream(self, id: int, pieces: Iterator[object], cancel: threading.Event) -> None:
        for piece in pieces:
            if cancel.is_set():
                break
            self._write(wire.write_piece(id, piece))
        close = getattr(pieces, "close", None)
        if close is not None:
            close()

    def _write(self, line: bytes) -> None:
        with self._writing:
            try:
                while line:
                    line = line[os.write(self._output, line) :]
            except OSError:
                # Nobody reads any more: the client has died, and so has the reason to live.
                os._exit(0)
