"""What there is to say of the rows before a model sees them: balance, lengths, repeats, and what splits share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.data.lines import are_lines
from workbench.data.splits import Splits


def describe(splits: Splits, counts: dict[str, dict[str, int]] | None = None) -> dict[str, dict[str, Any]]:
    """For each split its `rows`, `dropped`, `labels`, `characters`, `empty`, `repeated` and `shared`.

    `labels` is `counts` of that split, where given; `characters` are the figures of `lengths`; `empty` texts hold
    white space only; `repeated` rows have a text that came before in the split; `shared` says how many rows have a
    text that is in train too (None for train). Lines of a text repeat by nature: of them neither is counted.
    """
    described: dict[str, dict[str, Any]] = {}
    train = splits.texts("train")
    for name, table in splits.tables().items():
        texts = splits.texts(name)
        lines = are_lines(table)
        described[name] = {
            "rows": table.num_rows,
            "dropped": splits.dropped[name],
            **({"labels": counts[name]} if counts else {}),
            "characters": lengths(texts),
            "empty": empty(texts),
            "repeated": None if lines else repeated(texts),
            "shared": None if lines or name == "train" else shared(texts, train),
        }
    return described


def notes(described: dict[str, dict[str, Any]]) -> list[str]:
    """What of it a user should be told unasked: repeats within train, and texts judged that were trained on."""
    said = []
    train = described["train"]
    if train["repeated"]:
        said.append(f"train: the text of another row is repeated in {train['repeated']} of {train['rows']}")
    for name, facts in described.items():
        if facts["shared"]:
            said.append(f"{name}: the text is in train too in {facts['shared']} of {facts['rows']} rows")
    return said


def lengths(texts: pa.ChunkedArray) -> dict[str, int]:
    """`median`, `p95`, `max` and `total` of the texts' characters (code points)."""
    counted = np.asarray(pc.fill_null(pc.utf8_length(texts), 0), dtype=np.int64)
    if not len(counted):
        return {"median": 0, "p95": 0, "max": 0, "total": 0}
    median, p95 = np.percentile(counted, (50, 95))
    return {"median": round(median), "p95": round(p95), "max": int(counted.max()), "total": int(counted.sum())}


def empty(texts: pa.ChunkedArray) -> int:
    """How many texts hold nothing but white space, or are missing."""
    filled = pc.sum(pc.fill_null(pc.match_substring_regex(texts, r"\S"), False)).as_py() or 0
    return len(texts) - int(filled)


def repeated(texts: pa.ChunkedArray) -> int:
    """How many rows have the very text of a row before them."""
    return len(texts) - int(pc.count_distinct(texts, mode="all").as_py() or 0)


def shared(texts: pa.ChunkedArray, others: pa.ChunkedArray) -> int:
    """How many of `texts` are, to the letter, among `others`."""
    return int(pc.sum(pc.is_in(texts, value_set=pc.unique(others))).as_py() or 0)
