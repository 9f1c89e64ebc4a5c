"""Who answers what. To add methods, write a service class and name it in `SERVICES`.

A service is made once, when the first request for it comes, with the Home as its only argument; its module is
imported then and not before, so that paging data never waits for torch. `data.page` with params
`{"offset": 0}` becomes `DataService(home).page(offset=0)`. Only methods marked with `exposed` can be called.

A method returns something JSON can say, or is a generator of dicts, which makes it a stream: when the client
cancels, the generator is closed (GeneratorExit at its `yield`). Errors for the user are `workbench.core.errors`.

Methods of one lane run one after another on one thread; lanes run side by side. A method's lane is its
service's name, or another named in `LANES`: what takes long and is no model has its own.
"""

from __future__ import annotations

import importlib
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from workbench.core.errors import WorkbenchError
from workbench.core.home import Home

SERVICES: Final[Mapping[str, str]] = {
    "data": "workbench.lab.data_service:DataService",
    "tokens": "workbench.lab.token_service:TokenService",
    "model": "workbench.lab.model_service:ModelService",
    "predictions": "workbench.lab.prediction_service:PredictionService",
}

# Known without importing a service: the methods that do not run in their service's own lane.
LANES: Final[Mapping[str, str]] = {"data.stats": "data.stats", "model.feed": "model.feed"}

Exposed = TypeVar("Exposed", bound=Callable[..., Any])


def exposed(method: Exposed) -> Exposed:
    """Let the client call this method of a service."""
    method.__exposed__ = True  # type: ignore[attr-defined]  # a mark that only `Services` reads
    return method


def lane(method: str) -> str:
    """The lane that `service.method` runs in."""
    return LANES.get(method, method.partition(".")[0])


class Services:
    """The services of one lab process, each made when it is first asked for. Safe from several threads."""

    def __init__(self, home: Home, table: Mapping[str, str] = SERVICES) -> None:
        self._home, self._table = home, table
        self._made: dict[str, object] = {}
        self._locks = {name: threading.Lock() for name in table}

    def method(self, name: str, params: Mapping[str, Any]) -> Callable[..., Any]:
        """The bound `service.method`. Raises WorkbenchError where there is none or `params` do not fit."""
        service, _, attribute = name.partition(".")
        if service not in self._table:
            raise WorkbenchError(f"the lab has no method {name!r}")
        found: Callable[..., Any] | None = getattr(self._service(service), attribute, None)
        if found is None or not getattr(found, "__exposed__", False):
            raise WorkbenchError(f"the lab has no method {name!r}")
        try:
            inspect.signature(found).bind(**params)
        except TypeError as error:
            raise WorkbenchError(f"{name}: {error}") from error
        return found

    def _service(self, name: str) -> object:
        with self._locks[name]:
            if name not in self._made:
                module, _, attribute = self._table[name].partition(":")
                self._made[name] = getattr(importlib.import_module(module), attribute)(self._home)
            return self._made[name]
