"""The registry built again from the run directories: the same to the row, tags and notes included."""

from __future__ import annotations

from collections.abc import Callable

from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.registry.absorb import absorb, forget
from workbench.registry.database import turn, writing
from workbench.registry.keys import Keys
from workbench.registry.opening import busy, open_for_writing, run_ids


def reindex(home: Home, progress: Callable[[int, int], None] | None = None) -> int:
    """Forget every run and read it from its logs. Returns how many there are; `progress(done, all)` is told of each.

    Each run is replaced as it is read, so that whoever looks meanwhile sees all runs. Raises BadInput where the home
    cannot be written or another process keeps the registry to itself.
    """
    connection = open_for_writing(home, [])
    try:
        with turn(home.ingest_lock) as ours:
            if not ours:
                raise busy(home)
            found = run_ids(home)
            keys = Keys(connection)
            for done, run_id in enumerate(found, start=1):
                absorb(connection, keys, RunDir(home.runs / run_id), anew=True)
                if progress:
                    progress(done, len(found))
            with writing(connection):
                known = connection.execute("SELECT id FROM run").fetchall()
                for (run_id,) in known:
                    if run_id not in set(found):
                        forget(connection, run_id)
            return len(found)
    finally:
        connection.close()
