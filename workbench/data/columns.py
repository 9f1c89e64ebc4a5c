"""Which column is what: as the recipe says, or recognised by name and type."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from workbench.data import columnar, faults
from workbench.errors import DataError
from workbench.nearest import nearest
from workbench.text import clean

TEXT = (
    "text",
    "sentence",
    "review",
    "content",
    "text_a",
    "document",
    "comment",
    "body",
    "tweet",
    "question",
    "utterance",
)
LABEL = (
    "label",
    "labels",
    "class",
    "category",
    "sentiment",
    "target",
    "intent",
    "topic",
    "rating",
    "stars",
    "label_text",
)
ROW = "__row__"


def text_column(table: pa.Table, wanted: str | None, where: str, *, besides: Sequence[str] = ()) -> str:
    """The column of the texts: `wanted`, else one with a usual name, else the only one of strings.

    `besides` are columns that are something else. Raises DataError that lists the columns.
    """
    if wanted is not None:
        return _named(table, wanted, where, "data.text")
    strings = [name for name in names(table) if _is_string(table.schema.field(name).type) and name not in besides]
    found = _recognised(strings, TEXT)
    if found is None and len(strings) == 1:
        found = strings[0]
    if found is None:
        raise _unrecognised(table, "text", where)
    return found


def label_column(table: pa.Table, wanted: str | None, where: str) -> str:
    """The column of the labels: `wanted`, else one with a usual name. Raises DataError that lists the columns."""
    if wanted is not None:
        return _named(table, wanted, where, "data.label")
    found = _recognised(names(table), LABEL)
    if found is None:
        raise _unrecognised(table, "label", where)
    return found


def names(table: pa.Table) -> list[str]:
    """The user's columns, our own row numbers left out."""
    return [name for name in table.column_names if name != ROW]


def described(table: pa.Table) -> str:
    """`text (string), label (int64)` for a message."""
    fields = (table.schema.field(name) for name in names(table))
    return ", ".join(f"{clean(field.name)} ({kind(field.type)})" for field in fields) or "none"


def kind(type: pa.DataType) -> str:
    """An Arrow type in a user's word."""
    if _is_string(type):
        return "string"
    if pa.types.is_integer(type):
        return "whole number"
    if pa.types.is_floating(type) or pa.types.is_decimal(type):
        return "number"
    if pa.types.is_boolean(type):
        return "true or false"
    if pa.types.is_list(type) or pa.types.is_large_list(type):
        return "list"
    return "object" if pa.types.is_struct(type) else str(type)


def _is_string(type: pa.DataType) -> bool:
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type) or pa.types.is_string_view(type))


def _recognised(there: Sequence[str], usual: Sequence[str]) -> str | None:
    by_lower = {name.strip().lower(): name for name in reversed(there)}
    return next((by_lower[name] for name in usual if name in by_lower), None)


def _named(table: pa.Table, wanted: str, where: str, field: str) -> str:
    if wanted in names(table):
        return wanted
    raise DataError(
        f"no column {faults.quoted(wanted)}{nearest(wanted, names(table))}",
        where=where,
        mend=f"set {field} to one of {described(table)}",
    )


def _unrecognised(table: pa.Table, what: str, where: str) -> DataError:
    return DataError(
        f"no column is recognised as the {what}",
        where=where,
        mend=f"set data.{what} to one of {described(table)}",
    )


def usable(table: pa.Table, text: str | None, label: str | None) -> pa.ChunkedArray:
    """Which rows can be trained on, as booleans: their text holds more than white space, and they have a label.

    A ClassLabel of -1 is `datasets`' way to say that there is none.
    """
    mask = pa.chunked_array([pa.repeat(True, table.num_rows)])
    if text is not None:
        mask = pc.and_(mask, _filled(table.column(text)))
    if label is not None:
        column = table.column(label)
        mask = pc.and_(mask, _filled(column))
        if columnar.class_names(table.schema, label) is not None:
            mask = pc.and_(mask, pc.fill_null(pc.greater_equal(column, 0), False))
    return mask


def _filled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not _is_string(column.type):
        return pc.invert(pc.is_null(column, nan_is_null=True))
    return pc.fill_null(pc.match_substring_regex(column, r"\S"), False)


def strings(table: pa.Table, column: str, where: str) -> pa.ChunkedArray:
    """A column as strings, nulls kept. Raises DataError where its values are no single texts."""
    values = table.column(column)
    if _is_string(values.type):
        return values
    if pa.types.is_dictionary(values.type):
        return pc.cast(values, pa.string())
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        raise DataError(f"column {faults.quoted(column)} holds {kind(values.type)}s, not texts", where=where)
    return pc.cast(values, pa.string())


def bytes_of(texts: pa.ChunkedArray) -> int:
    """How many bytes of UTF-8 the texts are, line feeds between them not counted."""
    return int(pc.sum(pc.binary_length(texts)).as_py() or 0)
