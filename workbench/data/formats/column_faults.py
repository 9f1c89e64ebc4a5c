"""What is wrong with single columns of a table, carried with it: told where a column is read, and nobody else's matter.

The values of such a column were made texts, or given another name, so that the rest of the table can be used.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from typing import Final

import pyarrow as pa

from workbench.core.errors import DataError

_KEY: Final = b"workbench.column_faults"


def marked(table: pa.Table, faults: Mapping[str, DataError]) -> pa.Table:
    """The table with these faults besides those it has; of several of a column the first is kept.

    A fault within lists and objects has the path to it: `turns[].value`.
    """
    if not faults:
        return table
    held = dict(faults) | of(table)
    said = {path: [fault.what, fault.where, fault.hint] for path, fault in held.items()}
    return table.replace_schema_metadata(dict(table.schema.metadata or {}) | {_KEY: json.dumps(said).encode()})


def of(table: pa.Table) -> dict[str, DataError]:
    """The faults that a table carries, by the path of their column."""
    raw = (table.schema.metadata or {}).get(_KEY)
    held = {} if raw is None else json.loads(raw)
    return {path: DataError(what, where=where, hint=hint) for path, (what, where, hint) in held.items()}


def of_columns(table: pa.Table, names: Sequence[str]) -> dict[str, DataError]:
    """Those of some columns, and of what lies within them or around them."""
    return {path: fault for path, fault in of(table).items() if any(_bears_on(path, name) for name in names)}


def _bears_on(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}[")) or name.startswith((f"{path}.", f"{path}["))


def without(table: pa.Table, faults: Container[str]) -> pa.Table:
    """The table without these, which were dealt with."""
    kept = {path: fault for path, fault in of(table).items() if path not in faults}
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != _KEY}
    return marked(table.replace_schema_metadata(metadata), kept)


def check(table: pa.Table, names: Sequence[str]) -> None:
    """Raises the DataError of the first of these columns that has one."""
    for fault in of_columns(table, names).values():
        raise fault
