"""One JSON object a line, a few megabytes at a time.

Each block is parsed by itself, so that memory holds the rows and one block of text, and a fault is looked for where it
was met. What Arrow cannot read, or would read as something else, is read again by Python, which knows where it is.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.json as pajson

from workbench.core.errors import DataError
from workbench.data.formats import column_faults, faults, raw, records

_EXACT = 2.0**53  # beyond it a float skips whole numbers
# A row that is null, at the beginning or after an object, ends the process that gives it to Arrow 26.
_NULL_ROW = re.compile(rb"\}\s*null")
_NULL_FIRST = re.compile(rb"(?:\xef\xbb\xbf)*\s*null")
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def read_jsonl(path: Path) -> pa.Table:
    """The rows of a file with one JSON object a line; blank lines are passed over, a missing key is null.

    Whole numbers become floats where others of the column are. Raises DataError with file and line for a broken line
    or one that is no object. A column of mixed types carries its fault (`column_faults`).
    """
    return from_blocks(path, raw.blocks(path))


def lines_of(path: Path) -> npt.NDArray[np.int64]:
    """The line, from 1, that each row is on. Raises DataError."""
    found, first = [np.zeros(0, np.int64)], 1
    for data in raw.blocks(path):
        lines = faults.lines(data)
        found.append(np.flatnonzero([bool(line.strip()) for line in lines]) + first)
        first += len(lines)
    return np.concatenate(found)


def from_blocks(path: Path, blocks: Iterator[bytes]) -> pa.Table:
    """The rows of consecutive pieces of whole lines. Raises DataError."""
    tables: list[pa.Table] = []
    schema: pa.Schema | None = None
    met: dict[str, DataError] = {}
    line = 1
    for data in blocks:
        block = LineBlock(path, data, line)
        table = block.table(schema)
        if table.num_rows:
            table, schema = _unified(schema, block, table)
            met = column_faults.of(table) | met
            tables.append(table)
        line += block.lines
    if schema is None or not schema.names:
        raise DataError("holds no rows", where=str(path))
    try:
        whole = pa.concat_tables([records.loosened(table, met) for table in tables], promote_options="permissive")
        return column_faults.marked(whole, met)
    except pa.ArrowException as error:
        raise DataError(f"cannot be made a table ({faults.quoted(error, 120)})", where=str(path)) from error


def _unified(schema: pa.Schema | None, block: LineBlock, table: pa.Table) -> tuple[pa.Table, pa.Schema]:
    """The block's rows, and what the blocks before and this one hold together. Raises DataError."""
    if schema is None or schema.equals(table.schema):
        return table, table.schema
    try:
        return table, pa.unify_schemas([schema, table.schema], promote_options="permissive")
    except pa.ArrowException:
        table = block.carefully(schema)
    held = set(table.column_names)
    texts = [
        table.schema.field(one.name) if one.name in held and records.touched(one.name, column_faults.of(table)) else one
        for one in schema
    ]
    try:
        return table, pa.unify_schemas([pa.schema(texts), table.schema], promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"cannot be made a table ({faults.quoted(error, 120)})", where=str(block.path)) from error


@dataclass(frozen=True)
class LineBlock:
    """Some whole lines of a file, of which the first has the number `first`."""

    path: Path
    data: bytes
    first: int = 1

    @functools.cached_property
    def _split(self) -> list[bytes]:
        return faults.lines(self.data)

    @property
    def lines(self) -> int:
        return len(self._split)

    @property
    def rows(self) -> int:
        """Lines that are not blank."""
        return sum(1 for line in self._split if line.strip())

    def table(self, before: pa.Schema | None = None) -> pa.Table:
        """The rows; `before` is what the blocks before it hold. Raises DataError."""
        self._check_depth()
        if _NULL_FIRST.match(self.data) or _NULL_ROW.search(self.data):
            return self.carefully(before)
        try:
            table = parse(self.data, before)
            # Arrow takes any bytes for a string, and several objects on a line for several rows.
            table.validate(full=True)
            records.kinds_of(table.schema)  # raises for names that are no UTF-8
            if table.num_rows == self.rows and not _rounded(table):
                return table
        except (pa.ArrowException, UnicodeDecodeError):
            pass
        return self.carefully(before)

    def carefully(self, before: pa.Schema | None = None) -> pa.Table:
        """Line by line in Python, which is slow and knows where it is: the fault named, or else the rows after all."""
        if fault := faults.encoding_fault(self.path, self.data, self.first):
            raise fault
        numbers: list[int] = []

        def rows() -> Iterator[Any]:
            for number, row in self.numbered():
                numbers.append(number)
                yield row

        if not self.data.strip():
            return pa.table({})
        return records.table(self.path, rows(), lambda index: f"{self.path}:{numbers[index]}", records.kinds_of(before))

    def numbered(self) -> Iterator[tuple[int, Any]]:
        """Each line's number and what it holds, blank ones left out. Raises DataError at the first broken one."""
        for number, line in enumerate(self._split, self.first):
            if line.strip():
                yield number, load(line, f"{self.path}:{number}")

    def _check_depth(self) -> None:
        for number, line in enumerate(self._split, self.first):
            if line.count(b"[") + line.count(b"{") > records.DEEPEST and _depth(line) > records.DEEPEST:
                raise records.too_deep(f"{self.path}:{number}")


def _hint(line: bytes) -> str:
    start = line.lstrip(b"\xef\xbb\xbf \t")[:1]
    listed = 'set data.format = "json" for a file that is one list, or write ' if start == b"[" else ""
    return f"{listed}one whole object on each line"


def load(line: bytes, where: str) -> Any:
    """What one line holds. Raises DataError."""
    try:
        return json.loads(line.decode(), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        what = f"not JSON: {error.msg} at column {error.colno}"
        raise DataError(what, where=where, hint=_hint(line)) from error
    except UnicodeDecodeError as error:
        raise DataError(f"byte 0x{line[error.start]:02x} is not UTF-8", where=where) from error
    except ValueError as error:
        raise DataError(str(error), where=where) from error
    except RecursionError as error:
        raise records.too_deep(where) from error


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"key {faults.quoted(twice)} is given twice")
    return row


def _depth(line: bytes) -> int:
    """How deep lists and objects lie within each other, brackets in strings not counted."""
    depth = deepest = 0
    for match in _NESTING.finditer(line):
        mark = match[0]
        depth += (mark in b"[{") - (mark in b"]}")
        deepest = max(deepest, depth)
    return deepest


def parse(data: bytes, before: pa.Schema | None = None) -> pa.Table:
    """Rows of JSON lines. Dates stay the strings they were written as. Raises pyarrow.ArrowException."""
    texts = [field for field in before or () if pa.types.is_string(field.type)]
    table = _parse(data, texts)
    dated = [field.with_type(_undated(field.type)) for field in table.schema if _is_dated(field.type)]
    return _parse(data, texts + dated) if dated else table


def _parse(data: bytes, fields: list[pa.Field]) -> pa.Table:
    return pajson.read_json(
        pa.BufferReader(data),
        read_options=pajson.ReadOptions(block_size=max(len(data), 1), use_threads=False),
        parse_options=pajson.ParseOptions(explicit_schema=pa.schema(fields)),
    )


def _is_dated(type: pa.DataType) -> bool:
    return not type.equals(_undated(type))


def _undated(type: pa.DataType) -> pa.DataType:
    """The type with strings for dates, at every depth: Arrow makes dates of texts that look like them."""
    if pa.types.is_temporal(type):
        return pa.string()
    if pa.types.is_list(type):
        return pa.list_(_undated(type.value_type))
    if pa.types.is_struct(type):
        return pa.struct([field.with_type(_undated(field.type)) for field in type])
    return type


def _rounded(table: pa.Table) -> bool:
    """Whether a float may stand for a whole number too large for it, at any depth."""
    return any(_may_be_rounded(chunk) for column in table.columns for chunk in column.chunks)


def _may_be_rounded(array: pa.Array) -> bool:
    if pa.types.is_list(array.type):
        return _may_be_rounded(array.flatten())
    if pa.types.is_struct(array.type):
        return any(map(_may_be_rounded, array.flatten()))
    if not pa.types.is_floating(array.type):
        return False
    values = np.abs(array.to_numpy(zero_copy_only=False))
    return bool(((values >= _EXACT) & (values < 1e300)).any())
