"""What there is to say of the rows before a model sees them: balance, lengths, repeats, and what splits share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.contracts.check_report import DataReport
from workbench.contracts.coding import decode, encode
from workbench.contracts.events.data_event import SplitReport
from workbench.core.errors import DataError
from workbench.data.cache import kept_tables, token_entry
from workbench.data.formats import faults
from workbench.data.formats.text_lines import are_lines
from workbench.data.report.text_facts import TextFacts
from workbench.data.tables import answer_spans, column_roles, labels, tagged, tags
from workbench.data.tables.problem import Labelled
from workbench.data.tables.splits import Splits
from workbench.recipe import Data

_ROWS: Final = 8192  # that are read at once


def describe(splits: Splits, counts: Mapping[str, Mapping[str, int]] | None = None) -> dict[str, SplitReport]:
    """What there is to say of each split. `counts` are its rows by label, where there are labels.

    `empty` texts hold white space only; `odd` counts texts by what is odd about them; `repeated` rows have a text that
    came before in the split, and of `at_odds` texts there are rows with unlike labels (None without labels); `shared`
    says how many rows have a text that is in train, and in validation too, by split. Lines of a text repeat by nature:
    of them neither is counted.
    """
    described: dict[str, SplitReport] = {}
    texts = {name: TextFacts.of(_read(splits, name)) for name in splits.tables()}
    pa.default_memory_pool().release_unused()
    for name, table in splits.tables().items():
        lines = are_lines(table)
        described[name] = SplitReport(
            rows=table.num_rows,
            dropped=splits.dropped[name],
            labels=counts[name] if counts else None,
            characters=texts[name].spread(),
            empty=texts[name].empty,
            odd=texts[name].odd(),
            repeated=None if lines else texts[name].repeated(),
            at_odds=None if lines else at_odds(splits, name, texts[name]),
            shared=None if lines else _shared_with(name, texts),
        )
    return described


def _read(splits: Splits, split: str) -> Iterator[pa.ChunkedArray]:
    """What is read of the rows, some thousands at a time."""
    table, where = splits.tables()[split], str(splits.origins[split])
    for start in range(0, table.num_rows, _ROWS):
        yield column_roles.reading(splits.columns, table.slice(start, _ROWS), where)


def _shared_with(name: str, texts: dict[str, TextFacts]) -> dict[str, int]:
    """Of the splits before it, those that hold texts of split `name`, and how many of its rows those are."""
    others = [other for other in ("train", "validation") if other in texts]
    before = others[: others.index(name)] if name in others else others
    found = {other: texts[name].shared(texts[other]) for other in before}
    return {other: count for other, count in found.items() if count}


def notes(described: Mapping[str, SplitReport]) -> list[str]:
    """What of it a user should be told unasked."""
    said = []
    for name, facts in described.items():
        if facts.repeated:
            said.append(f"{name}: {_of(facts, facts.repeated, 'repeat')} the text of a row before")
        if facts.at_odds:
            texts = "text has rows" if facts.at_odds == 1 else "texts have rows"
            said.append(f"{name}: {facts.at_odds:,} {texts} with different labels")
        for other, count in (facts.shared or {}).items():
            said.append(f"{name}: {_of(facts, count, 'have')} a text that is in {other} too")
        for sign, count in facts.odd.items():
            said.append(_very_long(name, count) if "texts" in sign else f"{name}: {_of(facts, count, 'have')} {sign}")
    return [*said, *_lone(described)]


def _of(facts: SplitReport, count: int, does: str) -> str:
    """`3 of 1,000 rows have`, `1 of 20 rows has`."""
    one = "has" if does == "have" else f"{does}s"
    return f"{count:,} of {facts.rows:,} rows {one if count == 1 else does}"


def _very_long(name: str, count: int) -> str:
    return f"{name}: {count:,} {'text is' if count == 1 else 'texts are'} very long beside the others"


def _lone(described: Mapping[str, SplitReport]) -> list[str]:
    """Labels that occur in one split only, where there are several."""
    counts = {name: facts.labels or {} for name, facts in described.items()}
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


def empty(texts: pa.ChunkedArray) -> int:
    """How many texts hold nothing but white space, or are missing."""
    return TextFacts.of([texts]).empty


def repeated(texts: pa.ChunkedArray) -> int:
    """How many rows have the very text of a row before them."""
    return TextFacts.of([texts]).repeated()


def shared(texts: pa.ChunkedArray, others: pa.ChunkedArray) -> int:
    """How many of `texts` are, to the letter, among `others`."""
    return TextFacts.of([texts]).shared(TextFacts.of([others]))


def at_odds(splits: Splits, split: str, texts: TextFacts) -> int | None:
    """How many texts occur with more than one label; None where rows have no single label."""
    if splits.label is None or len(splits.columns.named["label"]) > 1:
        return None
    column = splits.tables()[split].column(splits.label)
    if pa.types.is_nested(column.type) or pa.types.is_floating(column.type):
        return None
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    codes = pc.index_in(column, value_set=pc.drop_null(pc.unique(column)))
    return texts.at_odds(np.asarray(pc.fill_null(codes, -1), np.int64))


def golds(splits: Splits, data: Data) -> dict[str, dict[str, int]]:
    """What there is to learn in each split, counted: rows by label, entities by type, questions by having an answer.

    Nothing for tasks whose labels are texts. Raises DataError where labels cannot be used; says in `splits.notes`
    what was corrected.
    """
    if splits.label is not None and isinstance(data, Labelled):
        known = labels.classes(splits, data)
        return {split: labels.counts(splits, split, known, data) for split in splits.tables()}
    if splits.columns.of("tags") is not None and isinstance(data, tagged.TagsAsked):
        return _entities(splits, data)
    if splits.columns.of("answers") is not None:
        return {split: _answered(splits, split) for split in splits.tables()}
    return {}


def _entities(splits: Splits, data: tagged.TagsAsked) -> dict[str, dict[str, int]]:
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
            hint="leave data.tag_scheme out, or check which column is what",
        )
    return found


def _answered(splits: Splits, split: str) -> dict[str, int]:
    given = answer_spans.read(splits, split)
    if split == "train" and not (given.starts >= 0).any():
        raise answer_spans.nothing_to_learn(splits)
    splits.notes.extend(answer_spans.notes(splits, split, given))
    without = int(given.unanswerable.sum())
    return {"answer": len(given.golds) - without} | ({"no answer": without} if without else {})


def whole(splits: Splits, data: Data) -> DataReport:
    """All there is to say without a tokenizer.

    Of many rows it is kept in the splits' cache. Raises DataError where the labels cannot be used.
    """
    cache = splits.keeping("train")
    if cache is None:
        return _made(splits, data)
    settings = [splits.dropped, splits.notes, data.model_dump(mode="json")]
    key = token_entry.key_of([], "report", *identity(splits), settings)

    def make() -> Iterator[token_entry.Arrays]:
        yield {"json": np.frombuffer(json.dumps(encode(_made(splits, data))).encode(), np.uint8)}

    about = {"holds": "report", "data": str(splits.origins["train"]), "rows": splits.train.num_rows}
    return decode(DataReport, json.loads(cache.arrays(key, about, make)["json"].tobytes()))


def identity(splits: Splits) -> tuple[dict[str, str], list[object]]:
    """Equal where the rows are, as far as they are read, and where they came from. Of plain JSON types."""
    read = {name for named in splits.columns.named.values() for name in named}
    tables = {
        name: table.select([one for one in table.column_names if one in read])
        for name, table in splits.tables().items()
    }
    origins = {name: str(origin) for name, origin in splits.origins.items()}
    rows = {name: kept_tables.digest(table) for name, table in tables.items()}
    return rows, [str(splits.train.schema), repr(splits.columns), origins]


def _made(splits: Splits, data: Data) -> DataReport:
    counts = golds(splits, data)
    facts = describe(splits, counts)
    roles = [role.name for role in splits.columns.shape.roles]
    named = {role: ", ".join(splits.columns.named[role]) for role in roles if role in splits.columns.named}
    # The order in which notes came about is that of reading; each is said once.
    said = list(dict.fromkeys([*splits.notes, *notes(facts)]))
    return DataReport(
        splits=facts, columns=named, unread=tuple(column_roles.unread(splits.columns, splits.train)), notes=tuple(said)
    )
