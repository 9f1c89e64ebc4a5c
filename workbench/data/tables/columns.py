"""Which column is what: as the recipe says, or recognised by name and type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.core.suggest import nearest
from workbench.core.text import clean
from workbench.data.formats import column_faults, conll_form, delimited, faults
from workbench.data.formats.text_lines import are_lines
from workbench.data.tables import roles

_NUMBERS_ROWS: Final = re.compile(r"(.*_)?(id|idx|index|guid|uid|uuid)|unnamed:_\d+|编号|序号|")
_LONGER: Final = 2  # so many times the mean length of any other column's is the texts'
_LOOKED_AT: Final = 1000
_WORDS: Final = 6  # a name of so many is a sentence
ROW = "__row__"


def text_column(table: pa.Table, *, besides: Sequence[str] = ()) -> str | None:
    """The column of the texts: one with a usual name, else as `likely_text` finds it."""
    found = recognised(table, roles.TEXT_NAMES, texts=True, besides=besides)
    return found[0] if found else likely_text(table, besides=besides)


def recognised(
    table: pa.Table, usual: Sequence[str | tuple[str, ...]], *, texts: bool, besides: Sequence[str] = ()
) -> tuple[str, ...]:
    """The column, or columns, with the likeliest of `usual` names, however they are cased; with `texts` of strings."""
    there = _strings(table, besides) if texts else [name for name in names(table) if name not in besides]
    by_name = {folded(name): name for name in reversed(there)}
    several = ((name,) if isinstance(name, str) else name for name in usual)
    return next((tuple(by_name[name] for name in found) for found in several if by_name.keys() >= set(found)), ())


def folded(name: str) -> str:
    """`Review Text` as `review_text`."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _strings(table: pa.Table, besides: Sequence[str]) -> list[str]:
    return [name for name in names(table) if name not in besides and _is_string(table.schema.field(name).type)]


def likely_text(table: pa.Table, *, besides: Sequence[str] = ()) -> str | None:
    """Where no name tells: the only column of strings, or the one whose strings are by far the longest."""
    strings = _strings(table, besides)
    if len(strings) < 2:
        return next(iter(strings), None)
    *_, (second, _), (first, name) = sorted((_mean_length(table.column(name)), name) for name in strings)
    return name if first > _LONGER * second else None


def _mean_length(column: pa.ChunkedArray) -> float:
    return float(pc.mean(pc.utf8_length(column.slice(0, _LOOKED_AT))).as_py() or 0)


def likely_label(table: pa.Table, *, besides: Sequence[str] = ()) -> str | None:
    """Where no name tells: the only other column, numbers of rows left out."""
    others = [name for name in names(table) if name not in besides and not _NUMBERS_ROWS.fullmatch(folded(name))]
    return others[0] if len(others) == 1 else None


def headless(table: pa.Table) -> bool:
    """Whether the columns' names look like a row: a number, or a value that the column holds besides."""
    for name in names(table):
        column = table.column(name).slice(0, _LOOKED_AT)
        if re.fullmatch(r"-?\d+([.,]\d+)?", name.strip()):
            return True
        if _is_string(column.type) and pc.any(pc.equal(column, name)).as_py():
            return True
    return False


def names(table: pa.Table) -> list[str]:
    """The user's columns, our own row numbers left out."""
    return [name for name in table.column_names if name != ROW]


def described(table: pa.Table) -> str:
    """`text (string), label (whole number), translation.en (string)` for a message."""
    fields = (leaf for name in names(table) for leaf in _leaves(name, table.schema.field(name).type))
    return ", ".join(dict.fromkeys(f"{clean(name)} ({kind(type)})" for name, type in fields)) or "none"


def _leaves(name: str, type: pa.DataType) -> list[tuple[str, pa.DataType]]:
    if not pa.types.is_struct(type):
        return [(name, type)]
    return [leaf for field in type for leaf in _leaves(f"{name}.{field.name}", field.type)]


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
    if _is_list(type):
        return "list"
    return "object" if pa.types.is_struct(type) else str(type)


def kinds(type: pa.DataType) -> str:
    """The same of several values."""
    return "true and false" if pa.types.is_boolean(type) else f"{kind(type)}s"


def _is_list(type: pa.DataType) -> bool:
    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))


def _is_string(type: pa.DataType) -> bool:
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type) or pa.types.is_string_view(type))


def named(table: pa.Table, wanted: str, where: str, field: str) -> str:
    """The column `wanted`, which `field` of the recipe names. Raises DataError that lists the columns."""
    if wanted in names(table):
        return wanted
    column_faults.check(table, [wanted])
    raise DataError(
        f"no column {faults.quoted(wanted)}{nearest(wanted, names(table))}",
        where=where,
        hint=f"set {field} to one of {described(table)}",
    )


def unfolded(table: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """The table with a column more for each dotted name, such as `translation.en`, that leads into an object."""
    for name in wanted:
        inner = _inner(table, name)
        if inner is not None and name not in names(table):
            metadata = table.schema.metadata
            table = table.append_column(name, inner).replace_schema_metadata(metadata)
    return table


def _inner(table: pa.Table, name: str) -> pa.ChunkedArray | None:
    first, *rest = name.split(".")
    if not rest or first not in names(table):
        return None
    values = table.column(first)
    for part in rest:
        if not pa.types.is_struct(values.type) or values.type.get_field_index(part) < 0:
            return None
        values = pc.struct_field(values, part)
    return values


def unrecognised(table: pa.Table, roles: Sequence[str], where: str) -> DataError:
    """That there is no telling which column is what; `roles` are the fields of `[data]` that can say."""
    said = " nor as the ".join(role.replace("_", " ") for role in roles)
    if (form := _other_form(table)) is not None:
        return DataError(f"no column is recognised as the {said}", where=where, hint=form)
    if headless(table) or (delimited.delimiter_of(table) and any(len(name.split()) >= _WORDS for name in names(table))):
        return DataError(
            f"no column is recognised as the {said}, and what should be the names of the columns looks like a row: "
            f"{', '.join(faults.quoted(name) for name in names(table)[:4])}",
            where=where,
            hint="set data.header = false (the columns are then column_1, column_2, …) or to their names, "
            f"or write a line of names above the first row, such as {' and '.join(roles)}",
        )
    fields = " and ".join(f"data.{role}" for role in roles)
    which = "one of" if len(roles) == 1 else "columns out of"
    return DataError(
        f"no column is recognised as the {said}", where=where, hint=f"set {fields} to {which} {described(table)}"
    )


def _other_form(table: pa.Table) -> str | None:
    """What to set where the rows look like a file of another format: lines of CoNLL, or of columns."""
    if are_lines(table):
        lines = [line for line in table.column("text").slice(0, _LOOKED_AT).to_pylist() if line and not line.isspace()]
        if conll_form.resembles(lines):
            return 'this looks like CoNLL, a token and its tag a line: set data.format = "conll"'
        mark = next((mark for mark in "\t;," if len({line.count(mark) for line in lines} - {0}) == 1), None)
        if mark is None or not all(mark in line for line in lines):
            return None
        usual = {*roles.TEXT_NAMES, *roles.LABEL_NAMES}
        named = any(folded(name) in usual for name in lines[0].split(mark))
        format = "tsv" if mark == "\t" else "csv"
        return f'its lines are rows of columns: set data.format = "{format}"' + (
            "" if named else ", and data.header = false if no line names them"
        )
    held = [table.column(name).slice(0, _LOOKED_AT) for name in names(table)]
    if delimited.delimiter_of(table) == "\t" or len(held) == 1:
        rows = zip(*(column.to_pylist() for column in held), strict=True)
        if conll_form.resembles(["\t".join(map(str, row)) for row in [tuple(names(table)), *rows]]):
            return 'this looks like CoNLL, a token and its tag a line: set data.format = "conll"'
    return None


def usable(table: pa.Table, needed: Sequence[str], nothing: Sequence[str] = ()) -> pa.ChunkedArray:
    """Which rows can be used, as booleans: every needed column holds a value, and more than white space.

    In the columns `nothing` an empty list says that there is nothing.
    """
    mask = pa.chunked_array([pa.repeat(True, table.num_rows)])
    for name in needed:
        column = table.column(name)
        mask = pc.and_(mask, _there(column) if name in nothing else _filled(column))
    return mask


def _there(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return _filled(column) if _is_string(column.type) else pc.is_valid(column)


def _filled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if _is_list(column.type):
        return pc.fill_null(pc.greater(pc.list_value_length(column), 0), False)
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


def readable(table: pa.Table, column: str, where: str) -> pa.ChunkedArray:
    """A column as one string a row: words joined by spaces, the turns of a chat by line feeds; nulls kept."""
    values = table.column(column)
    if not _is_list(values.type):
        return strings(table, column, where)
    if pa.types.is_nested(values.type.value_type):
        turns = (None if row is None else "\n".join(map(_turn, row)) for row in values.to_pylist())
        return pa.chunked_array([pa.array(turns, pa.string())])
    words = pc.cast(values, pa.list_(pa.string()))
    return pc.binary_join(words, " ")


def _turn(turn: object) -> str:
    return "\n".join(str(value) for value in turn.values() if value) if isinstance(turn, dict) else str(turn)


def joined(parts: Sequence[pa.ChunkedArray], between: str) -> pa.ChunkedArray:
    """Several columns of strings as one, a missing value as nothing; a single one as it is."""
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*parts, between, null_handling="replace", null_replacement="")


def bytes_of(texts: pa.ChunkedArray) -> int:
    """How many bytes of UTF-8 the texts are, line feeds between them not counted."""
    return int(pc.sum(pc.binary_length(texts)).as_py() or 0)


def numbers(values: NDArray[np.int64]) -> pa.Int64Array:
    """Whole numbers as Arrow has them, not copied. `pa.array` imports pandas first, which takes most of a second."""
    held = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(held), [None, pa.py_buffer(held)])


def picked(column: pa.ChunkedArray, places: NDArray[np.int64]) -> pa.Array:
    """The values at these places, in their order. Arrow's own `take` copies the whole column before."""
    ends = np.cumsum([len(chunk) for chunk in column.chunks])
    if not len(places) or len(ends) == 1:
        whole = column.chunk(0) if column.num_chunks else pa.array([], column.type)
        return whole.take(numbers(places))
    of = np.searchsorted(ends, places, "right")
    order = np.argsort(of, kind="stable")
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    parts = [column.chunk(int(chunk)).take(numbers(places[of == chunk] - starts[chunk])) for chunk in np.unique(of)]
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(parts).take(numbers(back))
