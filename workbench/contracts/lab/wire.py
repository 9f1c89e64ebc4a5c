"""What the lab and its client say to each other: one JSON object a line, over the lab's stdin and stdout.

| to the lab | |
|---|---|
| `{"id", "method", "params"}` | a request; ids are the client's and never used twice |
| `{"cancel": id}` | forget that request: one that waits is dropped, a stream ends after its current piece |

| from the lab | |
|---|---|
| `{"id", "piece"}` | part of a stream; more follows |
| `{"id", "result"}` | the answer, or the end of a stream |
| `{"id", "error": {"what", "where", "hint", "bad_input"}}` | the same, failed |

Every request gets exactly one result or error, cancelled ones too. Lines are ASCII: any string that Python
can hold, lone surrogates among them, arrives as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workbench.contracts.coding import Json, encoded, record
from workbench.contracts.lab.request import AnyRequest
from workbench.core.errors import BadInput, WorkbenchError


@dataclass(frozen=True, slots=True)
class RequestLine:
    """Someone asks: `method` is that of a request in `contracts.lab.REQUESTS`, `params` are its fields."""

    id: int
    method: str
    params: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CancelLine:
    """Someone no longer wants the answer."""

    id: int


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """A piece of a stream, or the last word on a request: a result or an error. Of what type the body is, the request
    says: `request.parse_answer` reads it."""

    id: int
    body: object = None
    error: WorkbenchError | None = None
    last: bool = True


def write_request(id: int, request: AnyRequest) -> bytes:
    return _line({"id": id, "method": request.METHOD, "params": record(request)})


def write_cancel(id: int) -> bytes:
    return _line({"cancel": id})


def write_piece(id: int, piece: object) -> bytes:
    return _line({"id": id, "piece": encoded(piece)})


def write_result(id: int, result: object) -> bytes:
    return _line({"id": id, "result": encoded(result)})


def write_error(id: int, error: WorkbenchError) -> bytes:
    body: Json = {
        "what": error.what,
        "where": error.where,
        "hint": error.hint,
        "bad_input": isinstance(error, BadInput),
    }
    return _line({"id": id, "error": body})


def read_request(line: bytes) -> RequestLine | CancelLine:
    """Raises ValueError where the line is neither."""
    try:
        found = json.loads(line)
        if "cancel" in found:
            return CancelLine(int(found["cancel"]))
        return RequestLine(int(found["id"]), str(found["method"]), dict(found.get("params") or {}))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a request: {error}") from error


def read_reply(line: bytes) -> ReplyLine:
    """Raises ValueError where the line is no reply."""
    try:
        found = json.loads(line)
        id = int(found["id"])
        if "piece" in found:
            return ReplyLine(id, found["piece"], last=False)
        return ReplyLine(id, error=_error(found["error"])) if "error" in found else ReplyLine(id, found.get("result"))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a reply: {error}") from error


def _error(body: Mapping[str, object]) -> WorkbenchError:
    kind = BadInput if body["bad_input"] else WorkbenchError
    return kind(str(body["what"]), where=str(body["where"]), hint=str(body["hint"]))


# Made once: `json.dumps` with separators of its own makes an encoder a call.
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


def _line(record: Mapping[str, Json]) -> bytes:
    return _ENCODE(record).encode("ascii") + b"\n"
