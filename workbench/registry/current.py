"""The registry as it stands now: opened, and brought up with everything the logs say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workbench.core.errors import NotWritable
from workbench.core.home import Home
from workbench.registry.ingest import Ingestor
from workbench.registry.store import Registry


@contextmanager
def current(home: Home, tell: Callable[[str], object]) -> Iterator[Registry]:
    """The registry with all logs in it; `tell` gets each sentence about what had to be corrected. Raises BadInput.

    Looking makes no home and needs none that can be written: then what the logs say is read into memory.
    """
    registry, ingestor = _opened(home)
    with registry, ingestor:
        try:
            yield registry
        finally:
            for notice in dict.fromkeys([*registry.notices, *ingestor.notices]):
                tell(notice)


def _opened(home: Home) -> tuple[Registry, Ingestor]:
    why = ""
    if home.there:
        try:
            return _polled(Registry.open(home), home)
        except NotWritable as error:
            why = looking_only(home, error)
    return _polled(Registry.look(home, why), home)


def _polled(registry: Registry, home: Home) -> tuple[Registry, Ingestor]:
    try:
        ingestor = Ingestor(home, registry.in_memory)
    except BaseException:
        registry.close()
        raise
    try:
        ingestor.poll(wait=True)
    except BaseException:
        ingestor.close()
        registry.close()
        raise
    return registry, ingestor


def looking_only(home: Home, error: NotWritable) -> str:
    """What is said where a home can be read and no more."""
    return f"{home.path}: looking only, nothing can be kept: {error.what}"
