"""Words and tags as other programs write them, made lists of words and lists of tags.

Read are a row for each word with the number of its sentence, lists printed into cells, words and tags between spaces,
and spans of characters in a text: doccano's `[start, end, label]`, and the objects of Prodigy, Label Studio and spaCy.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.core.errors import DataError
from workbench.data.formats import column_faults, faults
from workbench.data.report.writing import Range, Writing
from workbench.data.tables import columns, label_cells
from workbench.data.tables.roles import TEXT_NAMES
from workbench.recipe import Data

TOKENS: Final = ("tokens", "words", "word", "token", "characters", "chars")
TAGS: Final = ("ner_tags", "tags", "bio_tags", "labels", "pos_tags", "ner", "label", "tag", "iob", "bio")
_SPANS: Final = ("spans", "entities", "annotations", "label", "labels", "ner", "tags", "ner_tags")
_SENTENCES: Final = (
    "sentence_#", "sentence", "sentence_id", "sentence_no", "sentence_number", "sentence_idx", "sent_id", "sent",
    "sent_no", "doc_id", "document_id", "id",
)  # fmt: skip
_STARTS: Final = ("start", "start_offset", "begin", "startOffset")
_ENDS: Final = ("end", "end_offset", "endOffset", "stop")
_KINDS: Final = ("label", "labels", "type", "entity", "entity_group", "tag", "category")
_WITHIN: Final = ("entities", "spans", "result", "value")  # where spans lie deeper
_NO_SPANS: Final = (ValueError, TypeError, SyntaxError, StopIteration, RecursionError)
_LOOKED_AT: Final = 200
_WRITING: Final = Writing()

Place = Callable[[int], str]
Span = tuple[int, int, str]


@dataclass(frozen=True)
class WordColumns:
    """The columns that a recipe names; `sentence` is that of the numbers of sentences."""

    tokens: str | None = None
    tags: str | None = None
    sentence: str | None = None

    @classmethod
    def of(cls, data: Data) -> WordColumns:
        return cls(*(getattr(data, name, None) for name in ("tokens", "tags", "sentence")))


@dataclass
class Told:
    """What to say of rows that were made into others."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def arranged(table: pa.Table, asked: WordColumns, where: str, place: Place, told: Told) -> pa.Table:
    """The rows with a list of words and a list of tags each, where they are written otherwise; else as they are.

    `place` says where a row stands. Raises DataError for spans that are none.
    """
    spans = _first(table, asked.tags, _SPANS, _are_spans)
    text = _first(table, asked.tokens, (*TEXT_NAMES, *TOKENS), _are_strings)
    if spans is not None and text is not None:
        return _of_spans(table, text, spans, asked, place, told)
    tokens = _first(table, asked.tokens, (*TOKENS, *TEXT_NAMES), _are_strings)
    tags = _first(table, asked.tags, TAGS, _are_strings)
    if tokens is None or tags is None or tokens == tags:
        return table
    if (sentence := _sentences(table, asked, tokens)) is not None:
        return _grouped(table, tokens, tags, sentence, asked, where, told)
    for part in (_printed, str.split):
        lists = [[part(cell or "") for cell in table.column(name).to_pylist()] for name in (tokens, tags)]
        if _match(*lists):
            return _with(table, tokens, tags, asked, lists)
    return table


def _first(
    table: pa.Table, asked: str | None, usual: Sequence[str], fits: Callable[[pa.ChunkedArray], bool]
) -> str | None:
    """The column asked for, else the first with a usual name, of those that fit."""
    by_name = {columns.folded(name): name for name in reversed(columns.names(table))}
    named = [asked] if asked is not None else [by_name[name] for name in usual if name in by_name]
    return next((name for name in named if name in table.column_names and fits(table.column(name))), None)


def _are_strings(column: pa.ChunkedArray) -> bool:
    return columns.kind(column.type) == "string"


def _with(table: pa.Table, tokens: str, tags: str, asked: WordColumns, lists: Sequence[list[list[str]]]) -> pa.Table:
    """The table with these lists in place of the columns they come from, under names that are known."""
    made = {asked.tokens or "tokens": lists[0], asked.tags or "ner_tags": lists[1]}
    faulty = column_faults.of_columns(table, [tokens, tags])
    kept = column_faults.without(table, faulty)
    others = kept.select([name for name in kept.column_names if name not in {tokens, tags, *made}])
    for name, values in made.items():
        others = others.append_column(name, pa.array(values, pa.list_(pa.string())))
    return others.replace_schema_metadata(kept.schema.metadata)


# A row for each word


def _sentences(table: pa.Table, asked: WordColumns, tokens: str) -> str | None:
    """The column that numbers the sentences: it stays the same for some rows, or holds nothing after their first."""
    if asked.sentence is not None:
        return columns.named(table, asked.sentence, "data", "data.sentence")
    words = table.column(tokens).slice(0, _LOOKED_AT)
    if 10 * (pc.sum(pc.match_substring_regex(words, r"\S\s+\S")).as_py() or 0) > len(words):
        return None  # not a word a row
    others = table.drop_columns([tokens])
    return _first(others, None, _SENTENCES, lambda column: 0 < len(_starts(column)) < len(column))


def _starts(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The rows at which a sentence begins, where their numbers stand in order."""
    filled = pc.fill_null_forward(_blank_as_null(column)).combine_chunks()
    encoded = filled.dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, -1), np.int64)
    return np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]])) if len(codes) else np.zeros(0, np.int64)


def _blank_as_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not _are_strings(column):
        return column
    return pc.if_else(pc.match_substring_regex(column, r"\S"), column, pa.scalar(None, column.type))


def _grouped(
    table: pa.Table, tokens: str, tags: str, sentence: str, asked: WordColumns, where: str, told: Told
) -> pa.Table:
    starts = _starts(table.column(sentence))
    offsets = columns.numbers(np.append(starts, table.num_rows))
    names = {tokens: asked.tokens or "tokens", tags: asked.tags or "ner_tags"}
    made = {columns.ROW: table.column(columns.ROW).combine_chunks().take(columns.numbers(starts))}
    for name in columns.names(table):
        if name != sentence:
            values = table.column(name).combine_chunks()
            made[names.get(name, name)] = pa.LargeListArray.from_arrays(offsets, values)
    told.notes.append(
        f"{where}: {table.num_rows:,} rows of a word each are read as {len(starts):,} sentences, by "
        f"{faults.quoted(sentence)}"
    )
    return pa.table(made).replace_schema_metadata(table.schema.metadata)


# Lists in cells


def _printed(cell: str) -> list[str]:
    """The items of a printed list; nothing of a cell that is none."""
    text = cell.strip()
    return (label_cells.parts(text, ",") or []) if text.startswith("[") and text.endswith("]") else []


def _match(tokens: list[list[str]], tags: list[list[str]]) -> bool:
    """Whether nearly every row has as many tags as words, and most have several."""
    same = sum(len(words) == len(of) > 0 for words, of in zip(tokens, tags, strict=True))
    several = sum(len(words) > 1 for words in tokens)
    return 10 * same >= 9 * len(tokens) and 2 * several >= len(tokens)


# Spans of characters


def _are_spans(column: pa.ChunkedArray) -> bool:
    if columns.kind(column.type) not in ("list", "object", "string"):
        return False
    some = [value for value in column.slice(0, _LOOKED_AT).to_pylist() if value]
    try:
        found = [_spans(value) for value in some]
    except _NO_SPANS:
        return False
    return any(found)


def _spans(value: object) -> list[Span]:
    """The spans that a value holds. Raises ValueError and the like for what holds none."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] not in "[{(":
            raise ValueError("no list of spans")
        try:
            return _spans(json.loads(text))
        except json.JSONDecodeError:
            return _spans(ast.literal_eval(text))
    if isinstance(value, Mapping):
        return _of_object(value)
    if not isinstance(value, list | tuple):
        raise ValueError("no list of spans")
    return [span for item in value for span in _of_item(item)]


def _of_item(item: object) -> list[Span]:
    """The span, or spans, that one item of a list is."""
    if isinstance(item, list | tuple) and len(item) == 3:
        return [(int(item[0]), int(item[1]), str(item[2]))]
    if isinstance(item, Mapping):
        return _of_object(item)
    raise ValueError(f"{faults.quoted(item)} is no span")


def _of_object(held: Mapping[str, object]) -> list[Span]:
    start, end, kind = (_value(held, names) for names in (_STARTS, _ENDS, _KINDS))
    if start is None:
        within = next(held[name] for name in _WITHIN if name in held)
        return [] if within is None else _spans(within)
    return [(int(str(start)), int(str(end)), str(kind[0] if isinstance(kind, list) else kind))]


def _value(held: Mapping[str, object], names: Sequence[str]) -> object:
    return next((held[name] for name in names if held.get(name) is not None), None)


def _of_spans(table: pa.Table, text: str, spans: str, asked: WordColumns, place: Place, told: Told) -> pa.Table:
    """Rows of words with tags in BIO; a span that does not end where words do takes them whole."""
    rows, widened, crossing = _Rows(), list[str](), list[str]()
    numbers = table.column(columns.ROW).to_pylist()
    held = (table.column(name).to_pylist() for name in (text, spans))
    for number, written, value in zip(numbers, *held, strict=True):
        try:
            found = sorted(_spans(value)) if value else []
            rows.add(written or "", found)
        except _NO_SPANS as error:
            raise DataError(
                f"{faults.quoted(spans)} holds spans that cannot be used ({error})",
                where=place(number),
                hint="write [start, end, label], counted in characters from 0, within the text",
            ) from error
        widened += [f"{place(number)}: {said}" for said in rows.widened]
        crossing += [f"{place(number)}: {said}" for said in rows.crossing]
    total = f"of {rows.spans:,} spans"
    if widened:
        told.warnings.append(
            f"{len(widened):,} {total} do not end where words do, and are taken for whole words: {widened[0]}"
        )
    if crossing:
        told.warnings.append(f"{len(crossing):,} {total} overlap one before them, and are left out: {crossing[0]}")
    return _with(table, text, spans, asked, (rows.words, rows.tags))


@dataclass
class _Rows:
    """Words and tags as rows come, and what was odd about the spans of the last one."""

    words: list[list[str]] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
    spans: int = 0
    widened: list[str] = field(default_factory=list)
    crossing: list[str] = field(default_factory=list)

    def add(self, text: str, spans: list[Span]) -> None:
        """One more row. Raises ValueError for a span that is not within the text."""
        ranges = _WRITING.parted(text)
        tags = ["O"] * len(ranges)
        self.spans += len(spans)
        self.widened, self.crossing = [], []
        for start, end, kind in spans:
            if not 0 <= start < end <= len(text):
                raise ValueError(f"{start} to {end} is not within a text of {len(text)} characters")
            self._tag(text, ranges, tags, (start, end, kind))
        self.words.append([text[start:end] for start, end in ranges])
        self.tags.append(tags)

    def _tag(self, text: str, ranges: list[Range], tags: list[str], span: Span) -> None:
        start, end, kind = span
        held = [at for at, (first, after) in enumerate(ranges) if first < end and after > start]
        if not held or any(tags[at] != "O" for at in held):
            self.crossing.append(f"{faults.quoted(text[start:end])} as {faults.quoted(kind)}")
            return
        whole = text[ranges[held[0]][0] : ranges[held[-1]][1]]
        if whole != text[start:end].strip():
            self.widened.append(f"{faults.quoted(text[start:end])} is read as {faults.quoted(whole)}")
        for at in held:
            tags[at] = f"{'B' if at == held[0] else 'I'}-{kind}"
