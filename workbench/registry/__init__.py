"""The registry: an index of every run, rebuilt from the runs' logs whenever it must be.

The logs are the truth. `Ingestor` brings the index up with them, `Registry` answers from it, `reindex` builds
it again; nothing else in workbench speaks SQL.
"""

from typing import TYPE_CHECKING, Any

from workbench.registry.snapshots import Attempt, RunRow, SeriesView, Summary
from workbench.registry.store import Registry

if TYPE_CHECKING:
    from workbench.registry.ingest import Ingestor
    from workbench.registry.rebuild import reindex

__all__ = ["Attempt", "Ingestor", "Registry", "RunRow", "SeriesView", "Summary", "reindex"]


def __getattr__(name: str) -> Any:
    # What writes is loaded when it is asked for: the first frame only reads.
    if name == "Ingestor":
        from workbench.registry.ingest import Ingestor

        return Ingestor
    if name == "reindex":
        from workbench.registry.rebuild import reindex

        return reindex
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
