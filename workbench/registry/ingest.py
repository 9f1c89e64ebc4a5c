"""Whoever looks, ingests: new lines of every run's logs into the registry, one process at a time.

An idle poll costs the lengths and locks of live runs' logs, and a glance at a few of the others in turn: a tag given
elsewhere to a run that ended long ago is seen within some polls, a new or changed run directory at once.
"""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Final, Self

from workbench.contracts.events import LIVE_STATES, WORKING_STATES
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.registry.absorb import Absorbed, absorb, forget, sizes
from workbench.registry.database import NONSENSE, Connection, DatabaseError, is_damage, turn, writing
from workbench.registry.keys import Keys
from workbench.registry.opening import identity, open_for_writing, repair, run_ids, unusable

_GLANCE: Final = 200
"""Ended runs whose logs one poll looks at, in turn."""

_WARM: Final = 30.0
"""Seconds for which a run that has changed is looked at in every poll, whatever its state."""

_CLOCK_GRAIN: Final = 0.1
"""Seconds within which a directory can change again without its modification time telling."""


class Ingestor:
    """Keeps the registry up with the logs. One for each thread; any number of processes.

    Raises NotWritable where the home cannot be written. `notices` holds what had to be corrected. `into` is a registry
    in memory, in place of the home's own.
    """

    def __init__(self, home: Home, into: Connection | None = None) -> None:
        self._home, self._into = home, into
        self.notices: list[str] = []
        self._connect()

    def _connect(self) -> None:
        try:
            return self._begin()
        except (DatabaseError, *NONSENSE) as error:
            self._connection.close()
            if not is_damage(error):
                raise unusable(self._home, error) from error
        self.notices.append(repair(self._home, self._identity))
        self._begin()

    def _begin(self) -> None:
        self._connection: Connection = self._into or open_for_writing(self._home, self.notices)
        self._identity = identity(self._home)
        self._change = self._clock()
        self._keys = Keys(self._connection)
        self._known: dict[str, Absorbed] = self._remembered()
        self._warm: dict[str, float] = {}
        self._listed: int | None = None
        self._settled = False
        self._turn: list[str] = []
        self._gone: set[str] = set()

    def close(self) -> None:
        if self._into is None:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: TracebackType | type[BaseException] | BaseException | None) -> None:
        self.close()

    def poll(self, *, wait: bool = False) -> frozenset[str]:
        """Take in what is new. Returns the ids of runs that have changed since the last poll, whoever ingested them.

        While another process ingests, this returns what that one has found so far; with `wait` it takes its turn.
        """
        if self._into is not None:
            self._sweep()
            return self._news()
        if identity(self._home) != self._identity:
            self._reconnect()
        try:
            return self._poll(wait=wait)
        except (DatabaseError, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise unusable(self._home, error) from error
        self._connection.close()
        self.notices.append(repair(self._home, self._identity))
        self._reconnect()
        return self._poll(wait=wait)

    def _reconnect(self) -> None:
        self._connection.close()
        self._connect()
        self._change = 0

    def _poll(self, *, wait: bool) -> frozenset[str]:
        with turn(self._home.ingest_lock, patience=3600.0 if wait else 0.0) as ours:
            if ours:
                self._sweep()
        return self._news()

    def _clock(self) -> int:
        return int(self._connection.execute("SELECT change FROM clock").fetchone()[0])

    def _news(self) -> frozenset[str]:
        rows = self._connection.execute("SELECT id, change FROM run WHERE change>?", (self._change,)).fetchall()
        self._change = max((change for _, change in rows), default=self._change)
        gone, self._gone = self._gone, set()
        return frozenset(run_id for run_id, _ in rows) | gone

    def _remembered(self) -> dict[str, Absorbed]:
        """What the registry has read of each run: a log that is no longer than that has no news."""
        rows = self._connection.execute(
            "SELECT id, state, facts, a.offset, b.offset, c.offset FROM run "
            "JOIN log a ON a.run=pk AND a.log=0 JOIN log b ON b.run=pk AND b.log=1 JOIN log c ON c.run=pk AND c.log=2"
        )
        # No log at all and an empty one are the same news: none.
        return {
            run_id: Absorbed(state, bool(facts), (a or -1, b or -1, c or -1)) for run_id, state, facts, a, b, c in rows
        }

    def _sweep(self) -> None:
        listed = self._list_runs()
        now = time.monotonic()
        self._warm = {run_id: until for run_id, until in self._warm.items() if until > now}
        candidates = list(self._known) if listed else [*self._watched(), *self._glance()]
        for run_id in dict.fromkeys(candidates):
            if run_id in self._known:
                self._look(run_id)

    def _watched(self) -> list[str]:
        live = [run_id for run_id, known in self._known.items() if known.state in LIVE_STATES or not known.known]
        return [*live, *self._warm]

    def _glance(self) -> list[str]:
        if not self._turn:
            self._turn = list(self._known)
        taken, self._turn = self._turn[:_GLANCE], self._turn[_GLANCE:]
        return taken

    def _look(self, run_id: str) -> None:
        run, known = RunDir(self._home.runs / run_id), self._known[run_id]
        if sizes(run) != known.sizes or self._moved(run, known):
            self._absorb(run)

    def _moved(self, run: RunDir, known: Absorbed) -> bool:
        """Whether a run whose logs are silent has news all the same: its locks, or facts that are there by now.

        A run at work whose locks nobody holds here is another machine's, and how long it has been silent decides.
        """
        if known.state in LIVE_STATES:
            alive = run.alive()
            if alive != known.alive or (not alive and known.state in WORKING_STATES):
                return True
        return not known.known and run.facts.exists()

    def _absorb(self, run: RunDir) -> None:
        before = self._known.get(run.id)
        after = self._known[run.id] = absorb(self._connection, self._keys, run)
        if after != before:
            self._warm[run.id] = time.monotonic() + _WARM

    def _list_runs(self) -> bool:
        """Look for run directories that came or went, where their parent says that it has changed."""
        try:
            modified = os.stat(self._home.runs).st_mtime_ns
        except FileNotFoundError:
            return False
        if modified == self._listed and self._settled:
            return False
        self._settled = time.time() - modified / 1e9 > _CLOCK_GRAIN
        changed, self._listed = modified != self._listed, modified
        found = run_ids(self._home)
        for run_id in found:
            if run_id not in self._known:
                self._absorb(RunDir(self._home.runs / run_id))
        self._forget(self._known.keys() - set(found))
        return changed

    def _forget(self, gone: set[str]) -> None:
        for run_id in gone:
            with writing(self._connection):
                forget(self._connection, run_id)
            del self._known[run_id]
            self._warm.pop(run_id, None)
        self._gone |= gone
