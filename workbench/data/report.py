"""What there is to say of the rows before a model sees them: balance, lengths, repeats, and what splits share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.data import answers, faults, labels, oddities, shapes, tagged, tags
from workbench.data.lines import are_lines
from workbench.data.splits import Splits
from workbench.errors import DataError
from workbench.recipe import Data


def describe(splits: Splits, counts: dict[str, dict[str, int]] | None = None) -> dict[str, dict[str, Any]]:
    """For each split its `rows`, `dropped`, `labels`, `characters`, `empty`, `odd`, `repeated`, `at_odds`, `shared`.

    `labels` is `counts` of that split, where given; `characters` are the figures of `lengths`; `empty` texts hold
    white space only; `odd` counts texts by what is odd about them; `repeated` rows have a text that came before in
    the split, and of `at_odds` texts there are rows with unlike labels (None without labels); `shared` says how many
    rows have a text that is in train, and in validation too, by split. Lines of a text repeat by nature: of them
    neither is counted.
    """
    described: dict[str, dict[str, Any]] = {}
    texts = {name: splits.texts(name) for name in splits.tables()}
    for name, table in splits.tables().items():
        lines = are_lines(table)
        described[name] = {
            "rows": table.num_rows,
            "dropped": splits.dropped[name],
            **({"labels": counts[name]} if counts else {}),
            "characters": lengths(texts[name]),
            "empty": empty(texts[name]),
            "odd": oddities.odd(texts[name]),
            "repeated": None if lines else repeated(texts[name]),
            "at_odds": None if lines else at_odds(splits, name, texts[name]),
            "shared": None if lines else _shared_with(name, texts),
        }
    return described


def _shared_with(name: str, texts: dict[str, pa.ChunkedArray]) -> dict[str, int]:
    """Of the splits before it, those that hold texts of split `name`, and how many of its rows those are."""
    others = [other for other in ("train", "validation") if other in texts]
    before = others[: others.index(name)] if name in others else others
    found = {other: shared(texts[name], texts[other]) for other in before}
    return {other: count for other, count in found.items() if count}


def notes(described: dict[str, dict[str, Any]]) -> list[str]:
    """What of it a user should be told unasked."""
    said = []
    for name, facts in described.items():
        if facts["repeated"]:
            said.append(f"{name}: {_of(facts, facts['repeated'], 'repeat')} the text of a row before")
        if facts["at_odds"]:
            texts = "text has rows" if facts["at_odds"] == 1 else "texts have rows"
            said.append(f"{name}: {facts['at_odds']:,} {texts} with different labels")
        for other, count in (facts["shared"] or {}).items():
            said.append(f"{name}: {_of(facts, count, 'have')} a text that is in {other} too")
        for sign, count in facts["odd"].items():
            said.append(_very_long(name, count) if "texts" in sign else f"{name}: {_of(facts, count, 'have')} {sign}")
    return [*said, *_lone(described)]


def _of(facts: dict[str, Any], count: int, does: str) -> str:
    """`3 of 1,000 rows have`, `1 of 20 rows has`."""
    one = "has" if does == "have" else f"{does}s"
    return f"{count:,} of {facts['rows']:,} rows {one if count == 1 else does}"


def _very_long(name: str, count: int) -> str:
    return f"{name}: {count:,} {'text is' if count == 1 else 'texts are'} very long beside the others"


def _lone(described: dict[str, dict[str, Any]]) -> list[str]:
    """Labels that occur in one split only, where there are several."""
    counts = {name: facts.get("labels", {}) for name, facts in described.items()}
    there = {name: {label for label, count in found.items() if count} for name, found in counts.items()}
    if sum(map(bool, there.values())) < 2:
        return []
    said = []
    for name, here in there.items():
        elsewhere = set().union(*(other for key, other in there.items() if key != name))
        alone = [faults.quoted(label) for label in counts[name] if label in here - elsewhere]
        if alone:
            shown = ", ".join(alone[:5]) + (", …" if len(alone) > 5 else "")
            what = "label occurs" if len(alone) == 1 else "labels occur"
            said.append(f"{name}: {len(alone)} {what} in no other split: {shown}")
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


def at_odds(splits: Splits, split: str, texts: pa.ChunkedArray) -> int | None:
    """How many texts occur with more than one label; None where rows have no single label."""
    if splits.label is None or len(splits.columns.named["label"]) > 1:
        return None
    column = splits.tables()[split].column(splits.label)
    if pa.types.is_nested(column.type) or pa.types.is_floating(column.type):
        return None
    pairs = pa.table({"text": texts, "label": pc.cast(column, pa.string())})
    grouped = pairs.group_by("text").aggregate([("label", "count_distinct")])
    return int(pc.sum(pc.greater(grouped.column("label_count_distinct"), 1)).as_py() or 0)


def golds(splits: Splits, data: Data) -> dict[str, dict[str, int]]:
    """What there is to learn in each split, counted: rows by label, entities by type, questions by having an answer.

    Nothing for tasks whose labels are texts. Raises DataError where labels cannot be used; says in `splits.notes`
    what was mended.
    """
    if splits.label is not None:
        known = labels.classes(splits, data)
        return {split: labels.counts(splits, split, known, data) for split in splits.tables()}
    if splits.columns.of("tags") is not None:
        return _entities(splits, data)
    if splits.columns.of("answers") is not None:
        return {split: _answered(splits, split) for split in splits.tables()}
    return {}


def _entities(splits: Splits, data: Data) -> dict[str, dict[str, int]]:
    known = tagged.tagset(splits, data)
    found = {}
    for split in splits.tables():
        encoded = tagged.encode(splits, split, known, data)
        ids = np.asarray(encoded.flat.combine_chunks(), dtype=np.int64)
        found[split] = tags.entities(known, ids, encoded.offsets)
    if known.spells_entities and not sum(found["train"].values()):
        raise DataError(
            f"no entity of train is whole where tags are read as {known.scheme}: there is nothing to learn",
            where=str(splits.origins["train"]),
            mend="leave data.tag_scheme out, or check which column is what",
        )
    return found


def _answered(splits: Splits, split: str) -> dict[str, int]:
    given = answers.read(splits, split)
    if split == "train" and not (given.starts >= 0).any():
        raise DataError(
            "no question has an answer that stands in its context: there is nothing to learn",
            where=str(splits.origins[split]),
            mend="take rows with answers, or check which column is what",
        )
    splits.notes.extend(answers.notes(splits, split, given))
    without = int(given.unanswerable.sum())
    return {"answer": len(given.golds) - without} | ({"no answer": without} if without else {})


def whole(splits: Splits, data: Data) -> dict[str, Any]:
    """All there is to say without a tokenizer.

    `{"splits": as described, "columns": {role: column}, "unread": columns that nothing is taken from, "notes"}`.

    Raises DataError where the labels cannot be used.
    """
    counts = golds(splits, data)
    facts = describe(splits, counts)
    roles = [role.name for role in splits.columns.shape.roles]
    named = {role: ", ".join(splits.columns.named[role]) for role in roles if role in splits.columns.named}
    # The order in which notes came about is that of reading; each is said once.
    said = list(dict.fromkeys([*splits.notes, *notes(facts)]))
    return {"splits": facts, "columns": named, "unread": shapes.unread(splits.columns, splits.train), "notes": said}
