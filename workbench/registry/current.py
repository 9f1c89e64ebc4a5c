"""The registry as it stands now: opened, and brought up with everything the logs say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workbench.core.home import Home
from workbench.registry.ingest import Ingestor
from workbench.registry.store import Registry


@contextmanager
def current(home: Home, tell: Callable[[str], object]) -> Iterator[Registry]:
    """The registry with all logs in it; `tell` gets each sentence about what had to be corrected. Raises BadInput."""
    with Registry.open(home.ensure()) as registry, Ingestor(home) as ingestor:
        try:
            ingestor.poll(wait=True)
            yield registry
        finally:
            for notice in dict.fromkeys([*registry.notices, *ingestor.notices]):
                tell(notice)
