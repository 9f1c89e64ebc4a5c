"""JSON: one object a line, or one document that holds a list of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pajson

from workbench.data import faults
from workbench.errors import DataError
from workbench.text import clean

# A row must fit in a block. Larger ones are tried when it does not.
_BLOCKS = (1 << 22, 1 << 28, 1 << 30)
_WRAPPERS = ("data", "rows", "examples")


def read_jsonl(path: Path) -> pa.Table:
    """The rows of a file with one JSON object a line; blank lines are passed over, a missing key is null.

    Raises DataError with file and line for a broken line, a line that is no object, or a column of mixed types.
    """
    return _lines(path, faults.read_bytes(path))


def read_json(path: Path) -> dict[str | None, pa.Table]:
    """The rows of a JSON document, by split. The key is None where the document does not name splits.

    Read are a list of objects, `{"data": [objects]}`, `{"train": [objects], "test": …}`, columns
    (`{"text": […], "label": […]}`), and one object a line under this suffix.
    """
    data = faults.read_bytes(path)
    if fault := faults.encoding_fault(path, data):
        raise fault
    try:
        document = json.loads(data)
    except json.JSONDecodeError as error:
        if data.lstrip().startswith(b"{") and error.msg == "Extra data":
            return {None: _lines(path, data)}
        raise DataError(f"not JSON: {error.msg}", where=f"{path}:{error.lineno}") from error
    except RecursionError as error:
        raise DataError("nested too deeply to be rows", where=str(path)) from error
    return _document(path, document)


def _document(path: Path, document: Any) -> dict[str | None, pa.Table]:
    if isinstance(document, list):
        return {None: from_rows(path, document)}
    if isinstance(document, dict):
        for key in _WRAPPERS:
            if _is_rows(document.get(key)):
                return {None: from_rows(path, document[key])}
        lists = {key: value for key, value in document.items() if isinstance(value, list)}
        if lists and all(_is_rows(value) for value in lists.values()):
            return {key: from_rows(path, rows, f"{key}, row") for key, rows in lists.items()}
        if lists and len({len(value) for value in lists.values()}) == 1 and len(lists) == len(document):
            rows = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
            return {None: from_rows(path, rows)}
    raise DataError(
        "holds no list of objects", where=str(path), mend='give a list, {"data": […]} or {"train": […], "test": […]}'
    )


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _lines(path: Path, data: bytes) -> pa.Table:
    try:
        table = parse(data)
        # The reader takes any bytes for a string, and they would fail much later and far from here.
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        if fault := faults.encoding_fault(path, data):
            raise fault from error
        return _carefully(path, data, error)
    if not table.num_rows or not table.num_columns:
        raise DataError("holds no rows", where=str(path))
    return table


def parse(data: bytes) -> pa.Table:
    """Rows of JSON lines. Dates stay the strings they were written as. Raises pyarrow.ArrowInvalid."""
    table = _parse(data, None)
    dates = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    if dates:
        table = _parse(data, pa.schema([(name, pa.string()) for name in dates]))
    return table


def _parse(data: bytes, schema: pa.Schema | None) -> pa.Table:
    options = pajson.ParseOptions(explicit_schema=schema)
    for block in _BLOCKS:
        size = min(block, max(len(data), 1))
        try:
            return pajson.read_json(
                pa.BufferReader(data), read_options=pajson.ReadOptions(block_size=size), parse_options=options
            )
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or size == len(data):
                raise
    raise pa.ArrowInvalid("a line is longer than 1 GiB")


def _carefully(path: Path, data: bytes, error: Exception) -> pa.Table:
    """Line by line in Python, which is slow and knows where it is: the fault named, or else the table after all."""
    rows = [row for _, row in numbered(path, data)]
    numbers = [number for number, _ in numbered(path, data)]
    return from_rows(path, rows, numbers=numbers, reason=str(error))


def numbered(path: Path, data: bytes) -> Iterator[tuple[int, Any]]:
    """Each line's number and what it holds, blank ones left out. Raises DataError at the first broken one."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            what = f"not JSON: {error.msg} at column {error.colno}"
            raise DataError(what, where=f"{path}:{number}", mend="one whole object on each line") from error
        except ValueError as error:
            raise DataError(str(error), where=f"{path}:{number}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"key {faults.quoted(twice)} is given twice")
    return row


def from_rows(
    path: Path, rows: list[Any], unit: str = "row", *, numbers: list[int] | None = None, reason: str = ""
) -> pa.Table:
    """A table of dicts whose keys may differ. `numbers` are their lines, else rows are counted from 1.

    Raises DataError naming the first row that is no object, whose value is of another kind than those before it, or
    whose text holds half a surrogate pair.
    """

    def place(index: int) -> str:
        return f"{path}:{numbers[index]}" if numbers else f"{path}, {unit} {index + 1}"

    columns: dict[str, list[Any]] = {}
    kinds: dict[str, str] = {}
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f"holds {_kind(row)} where an object belongs", where=place(index))
        for key, value in row.items():
            _check_kind(kinds, key, value, place(index))
            columns.setdefault(key, [None] * index).append(value)
        for values in columns.values():
            if len(values) <= index:
                values.append(None)
    if not columns:
        raise DataError("holds no rows", where=str(path))
    try:
        return pa.table({key: pa.array(values) for key, values in columns.items()})
    except UnicodeEncodeError as error:
        raise _surrogate(columns, place) from error
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DataError(faults.quoted(reason or error, 200), where=str(path)) from error


def _surrogate(columns: dict[str, list[Any]], place: Any) -> DataError:
    for key, values in columns.items():
        for index, value in enumerate(values):
            if _has_surrogate(value):
                return DataError(
                    f"{clean(key)} holds half a surrogate pair, which is no character",
                    where=place(index),
                    mend="replace the \\ud800–\\udfff escape that stands alone",
                )
    return DataError("a text holds half a surrogate pair, which is no character", where=place(0))


def _has_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _check_kind(kinds: dict[str, str], key: str, value: Any, where: str) -> None:
    if value is None:
        return
    kind = _kind(value)
    before = kinds.setdefault(key, kind)
    if before != kind:
        raise DataError(
            f"{faults.quoted(key)} holds {kind}, {faults.quoted(value)}, where the rows before hold {before}",
            where=where,
            mend="write the column in one type",
        )


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"
