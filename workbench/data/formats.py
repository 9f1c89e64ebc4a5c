"""Which reader a file's suffix asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow as pa

from workbench.data import columnar, delimited, jsonlines, lines, objects
from workbench.errors import DataError

READERS: Final[dict[str, Callable[[Path], pa.Table]]] = {
    ".csv": delimited.read_csv,
    ".tsv": delimited.read_tsv,
    ".jsonl": jsonlines.read_jsonl,
    ".ndjson": jsonlines.read_jsonl,
    ".parquet": columnar.read_parquet,
    ".arrow": columnar.read_arrow,
    ".txt": lines.read_txt,
}
SUFFIXES: Final = (*READERS, ".json")


def read_file(path: Path) -> pa.Table:
    """The rows of one file by its suffix, one of `SUFFIXES`. Raises DataError."""
    suffix = path.suffix.lower()
    if suffix != ".json":
        return READERS[suffix](path)
    tables = objects.read_json(path)
    if len(tables) > 1:
        raise DataError("names splits of its own", where=str(path), mend="give the file alone as the source")
    return next(iter(tables.values()))
