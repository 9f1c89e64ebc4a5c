"""News for the screen: one thread that ingests, asks the registry what the visible pane wants, and hands it over.

There is one pending snapshot; a newer one replaces it, so a slow screen shows the newest and never queues. A snapshot
equal to the last one is not handed over at all: nothing new, nothing painted, nothing on the wire.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from workbench.core.errors import NotWritable, WorkbenchError
from workbench.core.home import Home
from workbench.display.figures import headline
from workbench.display.run_labels import full_label

if TYPE_CHECKING:
    from workbench.registry.ingest import Ingestor
    from workbench.registry.snapshots import RunRow
    from workbench.registry.store import Registry

# Seconds that the feed waits for a pane's first request, and then with the first look for news.
_PATIENCE = 0.2

LIVE_FILTER = "(state:live and not state:created)"


class FeedRequest(Protocol):
    """What a pane wants to be told. Make it a frozen dataclass: an equal one is the same request.

    `read` runs in the feed's thread with the feed's own registry and returns something frozen and comparable.
    """

    def read(self, registry: Registry) -> object: ...


@runtime_checkable
class Pulsing(Protocol):
    """A request whose `pulse`, a cheap look, differs when there is news that the registry does not know of."""

    def pulse(self) -> object: ...


class EndedRun(NamedTuple):
    """A run that was at work and is not any more. `said` is its reason, or the metric that it is known by."""

    label: str
    state: str
    said: str

    @property
    def sentence(self) -> str:
        """`demo · 1s8nrqnxv completed: accuracy 0.91`."""
        return f"{self.label} {self.state}{f': {self.said}' if self.said else ''}"


class FeedStatus(NamedTuple):
    """What the header shows, and what is told once."""

    live: int = 0
    total: int = 0
    notices: tuple[str, ...] = ()  # what the registry had to repair, in sentences
    ended: tuple[EndedRun, ...] = ()  # all that have ended since the feed began, the newest last


@dataclass(frozen=True)
class FeedSnapshot:
    """What the feed found for one request. `error` is set where reading it failed, `body` where it did not."""

    request: FeedRequest | None
    body: object
    status: FeedStatus
    error: WorkbenchError | None = None


class FeedSource(Protocol):
    """The registry and whoever brings it up to date; made in the feed's thread."""

    registry: Registry

    def poll(self) -> frozenset[str]: ...

    def close(self) -> None: ...


class RegistrySource:
    """The real source. Its imports wait for the thread: they are not on the road to the first frame."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ingestor: Ingestor | None = None
        self._told = 0
        self.registry = self._opened()

    def _opened(self) -> Registry:
        from workbench.registry.store import Registry

        # Looking makes no home: the first run does.
        self._nothing_there = not self._home.there
        try:
            return Registry.look(self._home) if self._nothing_there else Registry.open(self._home)
        except NotWritable as error:
            return self._looking(error)

    def _looking(self, error: NotWritable) -> Registry:
        """The registry in memory, of a home that can be read and no more."""
        from workbench.registry.current import looking_only
        from workbench.registry.store import Registry

        return Registry.look(self._home, looking_only(self._home, error))

    def poll(self) -> frozenset[str]:
        if self._nothing_there and self._home.there:
            self._change_to(self._opened())
        try:
            return self._poll()
        except NotWritable as error:
            if self.registry.in_memory is not None:
                raise
            self._change_to(self._looking(error))
            return self._poll()

    def _change_to(self, registry: Registry) -> None:
        self.close()
        registry.notices[:0] = self.registry.notices
        self.registry, self._ingestor, self._told = registry, None, 0

    def _poll(self) -> frozenset[str]:
        if self._ingestor is None:
            from workbench.registry.ingest import Ingestor

            # It begins by reading where every log stands: what is known already is on screen before that.
            self._ingestor = Ingestor(self._home, self.registry.in_memory)
        changed = self._ingestor.poll()
        self.registry.notices += self._ingestor.notices[self._told :]
        self._told = len(self._ingestor.notices)
        return changed

    def close(self) -> None:
        self.registry.close()
        if self._ingestor is not None:
            self._ingestor.close()


class Feed:
    """Owns the thread. `tell` is called from it and must only post: it learns that `take` has something."""

    def __init__(
        self,
        make_source: Callable[[], FeedSource],
        tell: Callable[[], object],
        *,
        busy: float = 0.1,
        idle: float = 0.5,
    ) -> None:
        self._make_source, self._tell = make_source, tell
        self._busy, self._idle = busy, idle
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._request: FeedRequest | None = None
        self._fresh = False
        self._pulse: object = None
        self._working: frozenset[str] = frozenset()
        self._ended: tuple[EndedRun, ...] = ()
        self._pending: FeedSnapshot | None = None
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float = 2.0) -> None:
        """End the thread; waits for what it is in the middle of, at most `patience` seconds."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    def ask(self, request: FeedRequest | None) -> None:
        """Make `request` the one that is answered from now on; the answer comes at once, then with every change."""
        with self._lock:
            self._request = request
            self._fresh = True
        self._wake.set()

    def take(self) -> FeedSnapshot | None:
        """The newest snapshot, once."""
        with self._lock:
            pending, self._pending = self._pending, None
        return pending

    def _put(self, snapshot: FeedSnapshot) -> None:
        with self._lock:
            told = self._pending is not None
            self._pending = snapshot
        if not told:
            self._tell()

    def _run(self) -> None:
        # The first answer is what is known already; looking for news must not hold up the first frame.
        self._wake.wait(_PATIENCE)
        self._wake.clear()
        last: FeedSnapshot | None = None
        source: FeedSource | None = None
        first = True
        while not self._stopping:
            began = time.monotonic()
            try:
                source = source or self._make_source()
                last = self._turn(source, last)
            except Exception as error:  # noqa: BLE001  # the thread's edge: it must outlive one bad turn
                last = self._failed(error, last)
            pause = self._busy if last and last.status.live else self._idle
            pause = _PATIENCE if first else pause
            first = False
            self._wake.wait(max(0.0, pause - (time.monotonic() - began)))
            self._wake.clear()
        if source is not None:
            source.close()

    def _turn(self, source: FeedSource, last: FeedSnapshot | None) -> FeedSnapshot | None:
        """One look: the answer to a new request before ingestion, which may take a while, then what has changed."""
        with self._lock:
            request, fresh, self._fresh = self._request, self._fresh, False
        if fresh:
            first, last = last is None, self._answer(source, request, last, again=True)
            if first:
                return last
        changed = source.poll()
        pulse = request.pulse() if isinstance(request, Pulsing) else None
        if changed or pulse != self._pulse or last is None:
            last = self._answer(source, request, last, changed=changed)
        self._pulse = pulse
        return last

    def _answer(
        self,
        source: FeedSource,
        request: FeedRequest | None,
        last: FeedSnapshot | None,
        *,
        again: bool = False,
        changed: frozenset[str] = frozenset(),
    ) -> FeedSnapshot:
        registry = source.registry
        live = registry.count(LIVE_FILTER)
        if live != len(self._working) or (live and not changed <= self._working):
            self._look_for_ends(registry)
        status = FeedStatus(live, registry.count(), tuple(registry.notices), self._ended)
        try:
            body = None if request is None else request.read(registry)
            snapshot = FeedSnapshot(request, body, status)
        except WorkbenchError as error:
            snapshot = FeedSnapshot(request, None, status, error)
        if again or last is None or not _same(snapshot, last):
            self._put(snapshot)
        return snapshot

    def _look_for_ends(self, registry: Registry) -> None:
        before, self._working = self._working, frozenset(run.id for run in registry.runs(LIVE_FILTER))
        gone = [registry.find(id, include_deleted=True) for id in before - self._working]
        self._ended += tuple(EndedRun(full_label(run), run.state, _how_it_ended(run)) for run in gone)

    def _failed(self, error: Exception, last: FeedSnapshot | None) -> FeedSnapshot:
        known = error if isinstance(error, WorkbenchError) else WorkbenchError(f"{type(error).__name__}: {error}")
        status = last.status if last else FeedStatus()
        snapshot = FeedSnapshot(self._request, None, status, known)
        if last is None or last.error is None or last.error.sentence != known.sentence:
            self._put(snapshot)
        return snapshot


def _how_it_ended(run: RunRow) -> str:
    return (headline(run) if run.state == "completed" else "") or run.reason


def _same(one: FeedSnapshot, other: FeedSnapshot) -> bool:
    """Equal in what is shown; two errors are the same if they say the same."""
    if (one.error is None) != (other.error is None):
        return False
    if one.error is not None and other.error is not None:
        return one.error.sentence == other.error.sentence and one.status == other.status
    return one.body == other.body and one.status == other.status and one.request == other.request
