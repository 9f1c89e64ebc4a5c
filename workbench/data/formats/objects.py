"""A JSON document that holds rows: a list of objects, named splits, columns, SQuAD's nesting, or plain lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.core.errors import DataError
from workbench.data.formats import faults, jsonlines, raw, records, squad

_WRAPPERS = ("data", "rows", "examples")


def read_json(path: Path) -> dict[str | None, pa.Table]:
    """The rows of a JSON document, by split. The key is None where the document does not name splits.

    Read are a list of objects, `{"data": [objects]}`, `{"train": [objects], "test": …}`, columns
    (`{"text": […], "label": […]}`), SQuAD's articles, and one object a line under this suffix. Raises DataError.
    """
    data = raw.read_bytes(path)
    if fault := faults.encoding_fault(path, data):
        raise fault
    try:
        document = json.loads(data.decode(), object_pairs_hook=jsonlines.once)
    except json.JSONDecodeError as error:
        if data.lstrip().startswith(b"{") and error.msg == "Extra data":
            return {None: jsonlines.read_jsonl(path)}
        raise DataError(f"not JSON: {error.msg}", where=f"{path}:{error.lineno}") from error
    except ValueError as error:
        raise DataError(str(error), where=str(path)) from error
    except RecursionError as error:
        raise records.too_deep(str(path)) from error
    return _document(path, document)


def _document(path: Path, document: Any) -> dict[str | None, pa.Table]:
    if squad.is_squad(document):
        return {None: squad.table(path, document)}
    if isinstance(document, list):
        return {None: _table(path, document)}
    if isinstance(document, dict):
        for key in _WRAPPERS:
            if _is_rows(document.get(key)):
                return {None: _table(path, document[key])}
        lists = {key: value for key, value in document.items() if isinstance(value, list)}
        if lists and all(_is_rows(value) for value in lists.values()):
            return {key: _table(path, rows, f"{key}, row") for key, rows in lists.items()}
        if lists and len({len(value) for value in lists.values()}) == 1 and len(lists) == len(document):
            rows = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
            return {None: _table(path, rows)}
    raise DataError(
        "holds no list of objects", where=str(path), hint='give a list, {"data": […]} or {"train": […], "test": […]}'
    )


def _table(path: Path, rows: list[Any], unit: str = "row") -> pa.Table:
    return records.table(path, rows, records.counted(path, unit))


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
