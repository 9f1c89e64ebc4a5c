"""Plain text: one row a line, in the column `text`.

A line feed ends a row and is not part of it. Empty lines are rows too: causal-lm joins the rows with line feeds and
gets the file back to the byte (but for CRLF, which becomes LF).
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from workbench.data import faults, raw

_METADATA = {b"workbench.rows": b"lines"}


def read_txt(path: Path) -> pa.Table:
    """The lines of a .txt file. Raises DataError with file and line where it is not UTF-8."""
    data = raw.read_bytes(path)
    if fault := faults.encoding_fault(path, data):
        raise fault
    return parse(data)


def parse(data: bytes) -> pa.Table:
    text = data.decode("utf-8").replace("\r\n", "\n")
    return pa.table({"text": pa.array(text.removesuffix("\n").split("\n"), pa.string())}).replace_schema_metadata(
        _METADATA
    )


def are_lines(table: pa.Table) -> bool:
    """Whether the rows are consecutive lines of one text, rather than documents of their own."""
    return (table.schema.metadata or {}).get(b"workbench.rows") == b"lines"
