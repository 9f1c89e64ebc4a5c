"""`predict --out FILE`: every column of the rows that were asked about, and beside them what the model answers.

The file appears once it is whole. An answer's column whose name is taken is called `predicted_…`.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

from workbench.contracts.coding import as_json
from workbench.core.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]

_AT_ONCE: Final = 1000  # rows of a row group


class PredictedFile:
    """A file of rows in the form that its name says, written as they come. A context manager."""

    def __init__(self, path: Path) -> None:
        """Raises BadInput where it is there already, or of no form that is known."""
        known = ", ".join(_WRITERS)
        if path.suffix.lower() not in _WRITERS:
            raise BadInput(f"{path.suffix or 'no ending'} is no form of rows", where=str(path), hint=f"use {known}")
        if path.exists():
            raise BadInput("something is there already", where=str(path), hint="choose a name that is new")
        if not path.parent.is_dir():
            raise BadInput("no such directory", where=str(path.parent), hint="make it first")
        self._path = path
        self._draft = path.with_name(f".{path.name}.partial")
        self.rows = 0

    def add(self, asked: Row, answer: Row) -> None:
        named = {f"predicted_{name}" if name in asked else name: value for name, value in answer.items()}
        self._writer.add({**asked, **named})
        self.rows += 1

    def __enter__(self) -> Self:
        self._file = self._draft.open("wb")
        self._writer = _WRITERS[self._path.suffix.lower()](self._file)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._writer.end()
                self._file.close()
                os.replace(self._draft, self._path)
        finally:
            self._file.close()
            self._draft.unlink(missing_ok=True)


class _Lines:
    """An object of JSON a line."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, row: Row) -> None:
        self._file.write(json.dumps(as_json(row), ensure_ascii=False).encode() + b"\n")

    def end(self) -> None:
        pass


class _Cells:
    """A table of text. Its columns are those of the first row; lists and objects in a cell are JSON."""

    def __init__(self, file: IO[bytes], delimiter: str) -> None:
        import io

        self._text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        self._table = csv.writer(self._text, delimiter=delimiter, lineterminator="\n")
        self._columns: list[str] | None = None

    def add(self, row: Row) -> None:
        if self._columns is None:
            self._columns = list(row)
            self._table.writerow(self._columns)
        self._table.writerow([_plain(row.get(name), list, tuple) for name in self._columns])

    def end(self) -> None:
        self._text.detach()


class _Columns:
    """Parquet, whose types are those of the first rows. What has names of its own choice, such as the probability of
    each label, is JSON."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._waiting = file, list[Row]()
        self._parquet: Any = None
        self._schema: pa.Schema | None = None

    def add(self, row: Row) -> None:
        self._waiting.append({name: _plain(value) for name, value in row.items()})
        if len(self._waiting) >= _AT_ONCE:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pylist(self._waiting, schema=self._schema)
        if self._parquet is None:
            self._schema = table.schema
            self._parquet = pq.ParquetWriter(self._file, self._schema)
        self._parquet.write_table(table)
        self._waiting.clear()

    def end(self) -> None:
        if self._waiting:
            self._write()
        if self._parquet is not None:
            self._parquet.close()


def _plain(value: object, *nested: type) -> object:
    """A value as it is; objects, and what is of the other types, as JSON."""
    return json.dumps(as_json(value), ensure_ascii=False) if isinstance(value, (Mapping, *nested)) else value


_WRITERS: Final[dict[str, Callable[[IO[bytes]], Any]]] = {
    ".jsonl": _Lines,
    ".csv": lambda file: _Cells(file, ","),
    ".tsv": lambda file: _Cells(file, "\t"),
    ".parquet": _Columns,
}
