"""What stands in the cells of labels and texts, in one spelling: what is missing, numbers, true and false.

Files without types write a missing value as some word, whole numbers as `1.0` once one is missing, and numbers with a
decimal comma where people do. A column of labels is looked at in all splits together, so that they agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.data.formats import columnar, delimited, faults
from workbench.data.formats.text_lines import are_lines
from workbench.data.tables import columns
from workbench.data.tables.column_roles import Columns
from workbench.recipe import Data

Held = dict[str, pa.ChunkedArray]  # a column in each split
# What programs write for a missing value, and nobody calls a class or a text.
_MISSING: Final = (
    "NaN", "nan", "NAN", "-NaN", "-nan", "<NA>", "NaT", "#N/A", "#N/A N/A", "#NA", "#NV", "#NULL!", "#VALUE!", "#REF!",
    "#NAME?", "#NUM!", "#DIV/0!", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "\\N",
)  # fmt: skip
# What they write too, and what may as well be a class: `None` of three stances.
_DOUBTFUL: Final = ("None", "NA", "N/A", "n/a", "null", "NULL", "Null")
_UNDECIDED: Final = ("-", "--", "?")  # in place of a label, as SNLI has it where its annotators did not agree
# Beside numbers alone these are missing as well.
_NO_NUMBER: Final = (*_DOUBTFUL, "none", "NONE", "na", "N.A.", "n.a.", "nil", *_UNDECIDED, ".", "missing", "unknown")
_LONGEST: Final = 24  # bytes of a cell that may be one of them, with spaces around
_NUMBER: Final = r"^[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_COMMAS: Final = r"^[+-]?([0-9]+|[1-9][0-9]{0,2}(\.[0-9]{3})+)(,[0-9]+)?$"
_THOUSANDS: Final = r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+$"
_SHOWN: Final = 3


@dataclass
class Settled:
    """The tables with labels in one spelling, null where they are missing; which rows of a split have a text that is;
    and what was found, with counts.
    """

    tables: dict[str, pa.Table]
    without_text: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def settled(tables: dict[str, pa.Table], chosen: Columns, data: Data) -> Settled:
    """Raises DataError for a split whose labels are all hidden."""
    made = Settled(dict(tables))
    for name in chosen.named.get("label", ()):
        _Label(name, data, made).settle()
    for role in chosen.shape.roles:
        for name in chosen.named.get(role.name, ()) if role.texts else ():
            # What a model is to write may be any text; a text that it reads is not the word NaN.
            _look_at_texts(made, name, missing=role.name in ("text", "text_pair"))
    return made


def _look_at_texts(made: Settled, name: str, *, missing: bool) -> None:
    for split, table in made.tables.items():
        column = table.column(name)
        if are_lines(table) or columns.kind(column.type) != "string":
            continue
        found, counts = _find(column, _MISSING)
        made.notes += _said(split, name, column, counts, "read as missing" if missing else "read as any text")
        made.notes += _said(split, name, column, _find(column, _DOUBTFUL)[1], "read as any text")
        if missing and counts:
            made.without_text[split] = made.without_text.get(split, False) | found


def _find(column: pa.ChunkedArray, words: Iterable[str]) -> tuple[NDArray[np.bool_], Counter[str]]:
    """Which cells of a column of strings are one of the words, and how many are which. Long texts are not looked at."""
    masks, counts = [np.zeros(0, np.bool_)], Counter[str]()
    wanted = set(words)
    for chunk in column.chunks:
        short = pc.fill_null(pc.less_equal(pc.binary_length(chunk), _LONGEST), False)
        places = np.flatnonzero(np.asarray(short))
        cells = pc.utf8_trim_whitespace(chunk.take(columns.numbers(places)))
        hits = np.asarray(pc.is_in(cells, value_set=pa.array(wanted, cells.type)), dtype=np.bool_)
        mask = np.zeros(len(chunk), np.bool_)
        mask[places[hits]] = True
        masks.append(mask)
        counts.update(cells.filter(pa.array(hits)).to_pylist())
    return np.concatenate(masks), counts


def _said(split: str, name: str, column: pa.ChunkedArray, counts: Counter[str], what: str) -> list[str]:
    """`train: 3 of 40 values of 'text' are 'NaN' or 'nan', read as missing`, if there are any."""
    if not counts:
        return []
    listed = " or ".join(f"'{word}'" for word in list(counts)[:_SHOWN])
    more = " or the like" if len(counts) > _SHOWN else ""
    are = "is" if counts.total() == 1 else "are"
    return [
        f"{split}: {counts.total():,} of {len(column):,} values of {faults.quoted(name)} {are} {listed}{more}, {what}"
    ]


@dataclass(frozen=True)
class _Label:
    """A column of labels, which are put in one spelling in every split."""

    name: str
    data: Data
    made: Settled

    def settle(self) -> None:
        """Raises DataError."""
        held = {split: table.column(self.name) for split, table in self.made.tables.items()}
        if any(pa.types.is_nested(column.type) for column in held.values()):
            return
        for split, column in self._in_one_type(self._present(self._shown(held))).items():
            table = self.made.tables[split]
            if column is not held[split]:
                place = table.column_names.index(self.name)
                self.made.tables[split] = table.set_column(place, self.name, column)

    def _note(self, split: str, column: pa.ChunkedArray, counts: Counter[str], what: str) -> None:
        self.made.notes += _said(split, self.name, column, counts, what)

    @property
    def _given(self) -> list[str]:
        return getattr(self.data, "labels", None) or []

    def _shown(self, held: Held) -> Held:
        """Labels of -1 are none where `datasets` named the classes, and where a whole split has no other.

        Raises DataError for such a split.
        """
        return held | {split: self._not_hidden(split, held) for split, column in held.items() if _is_number(column)}

    def _not_hidden(self, split: str, held: Held) -> pa.ChunkedArray:
        column, table = held[split], self.made.tables[split]
        hidden = pc.fill_null(pc.equal(column, -1), False)
        named = columnar.class_names(table.schema, self.name) is not None
        if len(column) and pc.all(hidden).as_py() and (named or not _holds(held["train"], -1)):
            raise DataError(
                f"every label of {split} is -1, which says that they are hidden, as in the test sets of GLUE",
                where=f"data.{split}",
                hint="name a split that has its labels" + ("" if split == "train" else f", or leave data.{split} out"),
            )
        if not named or not pc.any(hidden).as_py():
            return column
        self._note(split, column, Counter({"-1": pc.sum(hidden).as_py()}), "which says that there is no label")
        return pc.if_else(hidden, pa.scalar(None, column.type), column)

    def _present(self, held: Held) -> Held:
        """With null for what is missing."""
        words = self._missing(held)
        return {split: self._without(split, column, words) for split, column in held.items()}

    def _without(self, split: str, column: pa.ChunkedArray, words: set[str]) -> pa.ChunkedArray:
        if columns.kind(column.type) == "string":
            found, counts = _find(column, words)
            doubtful = counts.keys() & {*_DOUBTFUL, *_UNDECIDED} and not self._given and not words >= set(_NO_NUMBER)
            remedy = ": if that is a class, name all classes in data.labels" if doubtful else ""
            self._note(split, column, counts, f"read as missing{remedy}")
            left = _find(column, {*_DOUBTFUL, *_UNDECIDED} - words - set(self._given))[1]
            self._note(split, column, left, "a class like others: if it is missing, name the others in data.labels")
        elif pa.types.is_floating(column.type):
            found = np.asarray(pc.fill_null(pc.is_nan(column), False), dtype=np.bool_)
            self._note(split, column, Counter({"NaN": int(found.sum())} if found.any() else {}), "read as missing")
        else:
            return column
        return pc.if_else(pa.array(found), pa.scalar(None, column.type), column) if found.any() else column

    def _missing(self, held: Held) -> set[str]:
        """The words that say in this column that there is no label."""
        if self._are_numbers(held, {*_MISSING, *_NO_NUMBER}):
            words = {*_MISSING, *_NO_NUMBER}
        elif self._given:
            words = {*_MISSING, *_DOUBTFUL}
        else:
            words = {*_MISSING, *self._rare(held)}
        return words - set(self._given)

    def _rare(self, held: Held) -> list[str]:
        """Doubtful words with less than half the rows of any class: nobody collects a class like that."""
        counts: Counter[str] = Counter()
        for column in held.values():
            counts.update({one["values"].as_py(): one["counts"].as_py() for one in pc.value_counts(_filled(column))})
        doubtful = [word for word in (*_DOUBTFUL, *_UNDECIDED) if word in counts]
        classes = [rows for name, rows in counts.items() if name not in (*_MISSING, *doubtful)]
        if not all(any(map(str.isalnum, name)) for name in counts if name not in (*_MISSING, *doubtful)):
            doubtful = [word for word in doubtful if word not in _UNDECIDED]  # signs are classes beside `+` or `!`
        return doubtful if classes and 2 * sum(counts[word] for word in doubtful) < min(classes) else []

    def _are_numbers(self, held: Held, words: set[str]) -> bool:
        """Whether every cell is a number, but for those that are empty or one of the words, and there are some."""
        texts = {split: _filled(column, words) for split, column in held.items()}
        there = any(map(len, texts.values())) or any(map(_is_number, held.values()))
        return there and all(
            _is_number(column) or _matches(texts[split], _NUMBER) or self._has_commas(split, texts[split])
            for split, column in held.items()
        )

    def _has_commas(self, split: str, texts: pa.Array) -> bool:
        """Whether these are numbers with a decimal comma, and not lists of numbers, nor thousands set apart."""
        if getattr(self.data, "label_separator", None) is not None or not _matches(texts, _COMMAS):
            return False
        if delimited.delimiter_of(self.made.tables[split]) in (";", "\t", "|"):
            return True
        with_commas = texts.filter(pc.match_substring(texts, ","))
        return getattr(self.data, "problem", None) == "regression" and not _matches(with_commas, _THOUSANDS)

    def _in_one_type(self, held: Held) -> Held:
        texts = {split: column for split, column in held.items() if columns.kind(column.type) == "string"}
        filled = [_filled(column) for column in texts.values()]
        if not any(map(len, filled)):
            return held
        if self._are_numbers(held, set()):
            plain = all(_matches(column, delimited.WHOLE) for column in filled)
            if plain and len(texts) == len(held):
                return held
            return held | {split: self._numbers(split, column, plain) for split, column in texts.items()}
        spelt = {word for column in filled for word in pc.unique(column).to_pylist()}
        if {word.lower() for word in spelt} <= {"true", "false"} and (len(spelt) > 2 or len(texts) < len(held)):
            return held | {split: pc.equal(pc.utf8_lower(_emptied(column)), "true") for split, column in texts.items()}
        return held

    def _numbers(self, split: str, column: pa.ChunkedArray, plain: bool) -> pa.ChunkedArray:
        cells = _emptied(column)
        texts = _filled(column)
        if not _matches(texts, _NUMBER):
            shown = texts.filter(pc.match_substring(texts, ","))
            self.made.notes.append(
                f"{split}: {len(shown):,} of {len(column):,} values of {faults.quoted(self.name)} have a decimal "
                f"comma, such as {faults.quoted(shown[0].as_py())}: they are read as numbers"
            )
            cells = pc.replace_substring(pc.replace_substring(cells, ".", ""), ",", ".")
        return pc.cast(pc.replace_substring_regex(cells, r"^\+", ""), pa.int64() if plain else pa.float64())


def _is_number(column: pa.ChunkedArray) -> bool:
    return columns.kind(column.type) in ("number", "whole number")


def _holds(column: pa.ChunkedArray, value: int) -> bool:
    return _is_number(column) and bool(pc.any(pc.equal(column, value)).as_py())


def _emptied(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without spaces around, and null where nothing else is."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, trimmed.type), trimmed)


def _filled(column: pa.ChunkedArray, words: Iterable[str] = ()) -> pa.Array:
    """The cells of a column of strings that are not empty, nor one of the words; none of another column."""
    if columns.kind(column.type) != "string":
        return pa.array([], pa.string())
    cells = pc.drop_null(_emptied(column)).combine_chunks()
    return cells.filter(pc.invert(pc.is_in(cells, value_set=pa.array(words, cells.type))))


def _matches(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py())
