"""What a reader has to say of a file that it could read all the same, carried with the table it made."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

_KEY = b"workbench.notes"


def noted(table: pa.Table, notes: Sequence[str]) -> pa.Table:
    """The table with these sentences besides those it has."""
    if not notes:
        return table
    metadata = dict(table.schema.metadata or {})
    metadata[_KEY] = json.dumps([*of(table), *notes]).encode()
    return table.replace_schema_metadata(metadata)


def of(table: pa.Table) -> list[str]:
    """The sentences a table carries."""
    raw = (table.schema.metadata or {}).get(_KEY)
    return [] if raw is None else [str(note) for note in json.loads(raw)]
