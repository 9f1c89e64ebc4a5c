"""Plain text: one row a line, in the column `text`.

A line feed ends a row and is not part of it. Empty lines are rows too: causal-lm joins the rows with line feeds and
gets the file back to the byte (but for CRLF, and CR where there is no LF at all, which become LF).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workbench.data.formats import faults, raw

_METADATA = {b"workbench.rows": b"lines"}


def read_txt(path: Path) -> pa.Table:
    """The lines of a .txt file. Raises DataError with file and line where it is not UTF-8."""
    return pa.concat_tables(_parsed(path))


def _parsed(path: Path) -> Iterator[pa.Table]:
    first, old = 1, False
    for data in raw.blocks(path):
        if fault := faults.encoding_fault(path, data, first):
            raise fault
        old = first == 1 and is_old(data)
        table = parse(data, old=old)
        first += table.num_rows
        yield table


def is_old(data: bytes) -> bool:
    """Whether the first block of a file has lines that end with a lone CR, as they did on old Macintoshes."""
    return b"\n" not in data and b"\r" in data


def parse(data: bytes, *, old: bool = False) -> pa.Table:
    """The rows of some whole lines. Raises UnicodeDecodeError."""
    text = data.decode("utf-8")
    text = text.replace("\r", "\n") if old else text.replace("\r\n", "\n")
    rows = pa.array(text.removesuffix("\n").split("\n"), pa.string())
    return pa.table({"text": rows}).replace_schema_metadata(_METADATA)


def lines_of(path: Path) -> npt.NDArray[np.int64]:
    """The line, from 1, that each row is on. Raises DataError."""
    return np.arange(1, read_txt(path).num_rows + 1)


def are_lines(table: pa.Table) -> bool:
    """Whether the rows are consecutive lines of one text, rather than documents of their own."""
    return (table.schema.metadata or {}).get(b"workbench.rows") == b"lines"
