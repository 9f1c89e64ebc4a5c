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
from dataclasses import dataclass, field
from typing import Any

from workbench.core.errors import BadInput, WorkbenchError


@dataclass(frozen=True, slots=True)
class Request:
    """Someone asks: `method` is `service.name`, such as `data.page`."""

    id: int
    method: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Someone no longer wants the answer."""

    id: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A piece of a stream, or the last word on a request: a result or an error."""

    id: int
    piece: Any = None
    result: Any = None
    error: WorkbenchError | None = None
    last: bool = True


def write_request(request: Request) -> bytes:
    return _line({"id": request.id, "method": request.method, "params": request.params})


def write_cancel(id: int) -> bytes:
    return _line({"cancel": id})


def write_piece(id: int, piece: Any) -> bytes:
    return _line({"id": id, "piece": piece})


def write_result(id: int, result: Any) -> bytes:
    return _line({"id": id, "result": result})


def write_error(id: int, error: WorkbenchError) -> bytes:
    body = {
        "what": error.what,
        "where": error.where,
        "hint": error.hint,
        "bad_input": isinstance(error, BadInput),
    }
    return _line({"id": id, "error": body})


def read_request(line: bytes) -> Request | Cancel:
    """Raises ValueError where the line is neither."""
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("not an object")
    if "cancel" in record:
        return Cancel(int(record["cancel"]))
    try:
        return Request(int(record["id"]), str(record["method"]), dict(record.get("params") or {}))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a request: {error}") from error


def read_reply(line: bytes) -> Reply:
    """Raises ValueError where the line is no reply."""
    record = json.loads(line)
    if not isinstance(record, dict) or "id" not in record:
        raise ValueError("not a reply")
    id = int(record["id"])
    if "piece" in record:
        return Reply(id, piece=record["piece"], last=False)
    if "error" in record:
        return Reply(id, error=_error(record["error"]))
    return Reply(id, result=record.get("result"))


def _error(body: dict[str, Any]) -> WorkbenchError:
    kind = BadInput if body.get("bad_input") else WorkbenchError
    return kind(str(body["what"]), where=str(body.get("where", "")), hint=str(body.get("hint", "")))


def _line(record: dict[str, Any]) -> bytes:
    # What a column may hold and JSON may not (dates, bytes, decimals) is shown as text anyway.
    return json.dumps(record, separators=(",", ":"), default=str).encode("ascii") + b"\n"
