"""A data file from its beginning to its end, a part at a time: what is read once need not be held.

Columns are as they are written: of a .csv or .tsv file strings, for whether a column is all numbers only its end tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from workbench.data.formats import blocks, by_name, columnar

_ROWS: Final = 1024


def tables(path: Path) -> Iterator[pa.Table]:
    """The rows of a file in parts; only a .json document is read whole. Raises DataError as it is iterated."""
    format = by_name.of(path)
    if format.name in ("csv", "tsv"):
        yield from blocks.delimited_tables(path, tsv=format.name == "tsv")
    elif format.name == "parquet":
        with columnar.parquet(path) as file:
            columnar.check_size(path, file)
            for batch in columnar.batches_of(path, file):
                yield pa.Table.from_batches([batch.select(columnar.kept(batch.schema.names))])
    else:
        for batch in format.read(path).to_batches(max_chunksize=_ROWS):
            yield pa.Table.from_batches([batch])
