"""What every request to the lab is: a dataclass that knows its method, and of what type it is answered."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from workbench.contracts.coding import UNREADABLE, reader
from workbench.core.errors import WorkbenchError

R = TypeVar("R")
A = TypeVar("A", bound="AnyRequest")


class AnyRequest:
    """A request. `METHOD` is `service.name`: the service answers it with its method of that name."""

    METHOD: ClassVar[str]
    __slots__ = ()


class LabRequest(AnyRequest, Generic[R]):
    """A request that is answered once, by an R."""

    __slots__ = ()


class StreamRequest(AnyRequest, Generic[R]):
    """A request that is answered by a stream of pieces, each an R."""

    __slots__ = ()


def parse_request(cls: type[A], params: Mapping[str, object]) -> A:
    """Raises WorkbenchError where they are not what the request holds."""
    try:
        return typing.cast("A", reader(typing.cast("object", cls))(params))
    except UNREADABLE as error:
        raise WorkbenchError(f"{cls.METHOD} cannot be asked so ({_said(error)})") from error


def parse_answer(request: LabRequest[R] | StreamRequest[R], body: object) -> R:
    """A result, or a piece of a stream. Raises WorkbenchError where it is none."""
    try:
        return typing.cast("R", _answer_reader(typing.cast("object", type(request)))(body))
    except UNREADABLE as error:
        what = f"the answer of the lab to {request.METHOD} cannot be read ({_said(error)})"
        raise WorkbenchError(what, hint="leave workbench and start it again, if it was updated meanwhile") from error


@cache
def _answer_reader(cls: Any) -> Any:
    """What reads the answers to such a request: of the R that its base was given."""
    ((answer,),) = [
        typing.get_args(base) for base in cls.__orig_bases__ if typing.get_origin(base) in (LabRequest, StreamRequest)
    ]
    return reader(answer)


def _said(error: Exception) -> str:
    return f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)[:200]
