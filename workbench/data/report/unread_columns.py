"""Columns of train that nothing reads and that seem to say something: no id, no date, not the same in every row."""

from __future__ import annotations

import re
from typing import Final, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.core.text import clean
from workbench.data.formats import faults
from workbench.data.tables import column_roles, columns, roles
from workbench.data.tables.splits import Splits
from workbench.recipe import Data

_LOOKED_AT: Final = 20_000  # rows
_SHOWN: Final = 6
_MOSTLY: Final = 0.9
_ID: Final = (
    r"(.*_)?(id|ids|idx|index|guid|uuid|uid|hash|md5|sha\d*|no|nr|url|uri|link|path|file|filename|file_name|source|"
    r"split|fold|编号|序号)|unnamed:_\d+|"
)
_DATE: Final = r"(.*_)?(date|dates|time|timestamp|datetime|year|month|day|created|updated|modified)(_(at|on|time|utc))?"
_ID_VALUE: Final = r"^(https?://\S+|[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|[0-9a-fA-F]{24,64})$"
_DATE_VALUE: Final = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?$|^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}([ ,].*)?$"


def warnings(splits: Splits, data: Data) -> list[str]:
    """A sentence that counts what the unread columns of train hold, or none."""
    told = []
    for name in column_roles.unread(splits.columns, splits.train):
        column = splits.train.column(name).slice(0, _LOOKED_AT)
        if not _says_nothing(name, column, splits):
            told.append((name, _held(column, splits.train.num_rows)))
    if not told:
        return []
    listed = ", ".join(f"{faults.quoted(name)} ({held})" for name, held in told[:_SHOWN])
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    are = "1 column of train is" if len(told) == 1 else f"{len(told)} columns of train are"
    return [f"{are} not read: {listed}{more}{_hint(splits, data, [name for name, _ in told])}"]


def _hint(splits: Splits, data: Data, unread: list[str]) -> str:
    """How a text would take in another column of texts, where it is made of columns."""
    texts = [name for name in unread if _may_be_read(name, splits)]
    role = next((one for one in splits.columns.shape.roles if one.name in splits.columns.shape.reads), None)
    if role is None or not role.texts or not texts or not _takes_several(data, role.name):
        return ""
    named = splits.columns.named[role.name]
    template = splits.columns.templates.get(named[0])
    read = named if template is None else template.columns
    several = sorted((*read, texts[0]), key=splits.train.column_names.index)
    listed = ", ".join(f'"{clean(name)}"' for name in several)
    return f": if the model is to read more, set data.{role.name}, as [{listed}]"


def _may_be_read(name: str, splits: Splits) -> bool:
    """Whether it is a column of texts, and not answers that are to be avoided."""
    return columns.kind(splits.train.schema.field(name).type) == "string" and "reject" not in columns.folded(name)


def _takes_several(data: Data, field: str) -> bool:
    return list[str] in get_args(type(data).model_fields[field].annotation)


def _says_nothing(name: str, column: pa.ChunkedArray, splits: Splits) -> bool:
    folded = columns.folded(name)
    if column.null_count == len(column) or pa.types.is_temporal(column.type):
        return True
    if re.fullmatch(_ID, folded) or re.fullmatch(_DATE, folded):
        return True
    if splits.columns.shape.blocks and folded in roles.LABEL_NAMES:
        return True  # plain text is learned without its labels
    return _is_constant(column) or _numbers_rows(column) or _looks_like(column) or _repeats_the_label(column, splits)


def _is_constant(column: pa.ChunkedArray) -> bool:
    return _distinct(column) < 2


def _distinct(column: pa.ChunkedArray) -> int:
    if pa.types.is_nested(column.type):
        return len({str(value) for value in column.to_pylist() if value is not None})
    return int(pc.count_distinct(column).as_py())


def _numbers_rows(column: pa.ChunkedArray) -> bool:
    """Whether whole numbers are another in every row."""
    return pa.types.is_integer(column.type) and _distinct(column) == len(column) > 2


def _looks_like(column: pa.ChunkedArray) -> bool:
    """Whether the values are dates, addresses or keys."""
    if columns.kind(column.type) != "string":
        return False
    there = pc.drop_null(column)
    shapes = (pc.sum(pc.match_substring_regex(there, form)).as_py() for form in (_ID_VALUE, _DATE_VALUE))
    return any((count or 0) >= _MOSTLY * len(there) for count in shapes)


def _repeats_the_label(column: pa.ChunkedArray, splits: Splits) -> bool:
    """Whether a column is the label in other words: each value of one goes with one of the other."""
    if splits.label is None or pa.types.is_nested(column.type):
        return False
    label = splits.train.column(splits.label).slice(0, _LOOKED_AT)
    if pa.types.is_nested(label.type):
        return False
    codes, others = _codes(column), _codes(label)
    pairs = len(np.unique(codes * (others.max() + 1) + others))
    return pairs == len(np.unique(codes)) == len(np.unique(others))


def _codes(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(pc.fill_null(pc.index_in(column, value_set=pc.drop_null(pc.unique(column))), -1), np.int64) + 1


def _held(column: pa.ChunkedArray, rows: int) -> str:
    """How many values there are, and how long they are."""
    among = "" if len(column) == rows else f" in the first {len(column):,} rows"
    said = f"{_distinct(column):,} distinct{among}"
    if columns.kind(column.type) != "string":
        return f"{said}, {columns.kinds(column.type)}"
    median = pc.quantile(pc.utf8_length(pc.drop_null(column)), 0.5)[0].as_py()
    return f"{said}, {median:.0f} characters in the median"
