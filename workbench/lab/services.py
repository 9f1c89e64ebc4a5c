"""Who answers what. To add a request, write its class in `contracts.lab` and a method of its service that answers it.

A service is made once, when the first request for it comes, with the Home as its only argument; its module is
imported then and not before, so that paging data never waits for torch. A `DataPage`, whose METHOD is `data.page`, is
answered by `DataService(home).page(request)`.

A method returns what its request is answered with, or is a generator of pieces, if the request is for a stream: when
the client cancels, the generator is closed (GeneratorExit at its `yield`). Errors for the user are
`workbench.core.errors`.

Methods of one lane run one after another on one thread; lanes run side by side. A method's lane is its
service's name, or another named in `LANES`: what takes long and is no model has its own.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from workbench.contracts.lab import REQUESTS
from workbench.contracts.lab.request import AnyRequest, parse_request
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


def lane(method: str) -> str:
    """The lane that `service.method` runs in."""
    return LANES.get(method, method.partition(".")[0])


class Services:
    """The services of one lab process, each made when it is first asked for. Safe from several threads."""

    def __init__(
        self,
        home: Home,
        table: Mapping[str, str] = SERVICES,
        requests: Sequence[type[AnyRequest]] = REQUESTS,
    ) -> None:
        self._home, self._table = home, table
        self._requests = {request.METHOD: request for request in requests}
        self._made: dict[str, object] = {}
        self._locks = {name: threading.Lock() for name in table}

    def answer(self, method: str, params: Mapping[str, object]) -> object:
        """What the service answers, or the iterator of its pieces. Raises WorkbenchError where there is no such method,
        or `params` are not the fields of its request."""
        if method not in self._requests:
            raise WorkbenchError(f"the lab has no method {method!r}")
        request = parse_request(self._requests[method], params)
        service, _, name = method.partition(".")
        return getattr(self._service(service), name)(request)

    def _service(self, name: str) -> object:
        with self._locks[name]:
            if name not in self._made:
                module, _, attribute = self._table[name].partition(":")
                self._made[name] = getattr(importlib.import_module(module), attribute)(self._home)
            return self._made[name]
