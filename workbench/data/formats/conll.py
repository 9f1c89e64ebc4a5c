"""CoNLL: a token a line with its tags in columns, a blank line between sentences. One row a sentence.

Columns stand apart by a tab, or by any run of blanks. Lines that begin with # are comments, unless such a line is
plainly a token (`# B-ORG`); `-DOCSTART-` opens a document. In the Weibo style each character has its place in the word
glued on (`科0 B-ORG`, `技1 I-ORG`): the place becomes a column of its own. CoNLL-U has ten columns of fixed meaning.

Every table has `tokens`, `tags` (the last column; UPOS in CoNLL-U) and `document` (int32, from 0), and what columns
there are besides: `column_2` and on, CoNLL-U's by their names, `segment`.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workbench.core.errors import DataError
from workbench.data.formats import conll_form, faults, raw
from workbench.data.formats.conll_form import Fields, Form, blanks, is_tag
from workbench.data.formats.notes import noted

SUFFIXES: Final = (".conll", ".conllu", ".bio", ".iob", ".iob2", ".bioes", ".iobes", ".bmes", ".ner", ".tok")
_GLUED = re.compile(r"(.?)([0-9]+)", re.DOTALL)
_ALMOST_ALL = 0.99  # of the tokens must be glued, and count their words' characters, for the file to be
_HEAD = 1 << 16


def read_conll(path: Path) -> pa.Table:
    """The sentences of a file. Raises DataError with file and line where a line has more or fewer columns."""
    return _parsed(path).table()


def lines_of(path: Path) -> npt.NDArray[np.int64]:
    """The line, from 1, on which each sentence begins. Raises DataError."""
    return np.asarray(_parsed(path).starts, dtype=np.int64)


def looks_like(path: Path) -> bool:
    """Whether the first lines are plainly CoNLL: columns of equal number, of which the last holds tags."""
    try:
        with raw.opened(path) as file:
            head = file.read(_HEAD)
    except DataError:
        return False
    whole = head[: head.rfind(b"\n") + 1] if len(head) == _HEAD else head
    return conll_form.looks_like(whole.decode("utf-8", "replace"))


def _parsed(path: Path) -> _Sentences:
    data = raw.read_bytes(path)
    if fault := faults.encoding_fault(path, data):
        raise fault
    lines = conll_form.lines(data.decode("utf-8"))
    form = conll_form.form_of(lines)
    if form is None:
        raise DataError("holds no tokens", where=str(path))
    sentences = _Sentences(path, form)
    for number, line in enumerate(lines, 1):
        sentences.take(number, line)
    sentences.end()
    return sentences


@dataclass
class _Sentences:
    """The sentences of a file as its lines are taken one after the other."""

    path: Path
    form: Form
    fields: Fields = field(default_factory=list)  # those of all tokens; a list of lists would be ten times slower
    numbers: array[int] = field(default_factory=lambda: array("q"))  # the line of each token
    starts: list[int] = field(default_factory=list)  # the line of each sentence's first token
    offsets: list[int] = field(default_factory=lambda: [0])
    documents: list[int] = field(default_factory=list)
    passed_over: dict[str, list[int]] = field(default_factory=dict)  # lines of what is no token, by what it is
    _document: int = 0

    def take(self, number: int, line: str) -> None:
        """One more line. Raises DataError where it has not the columns of the others."""
        if not line or line.isspace():
            self.end()
        elif line.startswith("-DOCSTART-"):
            self._open_document()
        elif line[0] != "#" or self._is_token(number, line):
            row = self.form.split(line)
            if len(row) != self.form.width:
                row = self._mended(number, line, row)
            if not (self.form.universal and self._is_no_word(number, row[0])):
                self.fields += row
                self.numbers.append(number)

    def end(self) -> None:
        """The sentence is over, if there is one."""
        if len(self.numbers) > self.offsets[-1]:
            self.starts.append(self.numbers[self.offsets[-1]])
            self.offsets.append(len(self.numbers))
            self.documents.append(self._document)

    def _open_document(self) -> None:
        self.end()
        if self.documents and self.documents[-1] == self._document:
            self._document += 1

    def _is_token(self, number: int, line: str) -> bool:
        """Whether a line that begins with # is a token all the same: it has the columns, and the tag is one."""
        if self.form.universal:
            if line[1:].strip().split(" ")[0].startswith("newdoc"):
                self._open_document()
            return False
        row = self.form.split(line)
        if len(row) != self.form.width:
            return False
        if row[-1] in self.form.tags or is_tag(row[-1]):
            return True
        self._pass_over("lines with # and the columns of a token, read as comments", number)
        return False

    def _is_no_word(self, number: int, place: str) -> bool:
        if "-" in place:
            self._pass_over("lines of several words at once (1-2), left out as their words are there", number)
        elif "." in place:
            self._pass_over("empty nodes (1.1), left out", number)
        else:
            return False
        return True

    def _pass_over(self, what: str, number: int) -> None:
        self.passed_over.setdefault(what, []).append(number)

    def _mended(self, number: int, line: str, row: Fields) -> Fields:
        width = self.form.width
        if self.form.split is blanks and line[0] in " \t" and len(row) == width - 1:
            return ["", *row]
        columns = "column" if len(row) == 1 else "columns"
        raise DataError(
            f"{len(row)} {columns} where other lines have {width}",
            where=f"{self.path}:{number}",
            hint="give every token its tag, and a blank line between sentences"
            if len(row) < width
            else "part the columns with tabs where a token holds a blank",
        )

    # -- the table -----------------------------------------------------------------------------------------------

    def table(self) -> pa.Table:
        """One row a sentence. Raises DataError where there is none, or tokens have no tags."""
        if self.form.width == 1:
            what = "one column where a token and its tag belong"
            raise DataError(what, where=f"{self.path}:{self.numbers[0]}", hint="part them with a blank or a tab")
        flat = {name: self.fields[place :: self.form.width] for place, name in enumerate(self.form.names)}
        tokens, segments = _unglued(flat["tokens"], np.asarray(self.offsets))
        columns = {"tokens": self._lists(pa.array(tokens, pa.string()))}
        columns["tags"] = self._lists(pa.array(flat["tags"], pa.string()))
        if segments is not None:
            columns["segment"] = self._lists(segments)
        for name in self.form.names:
            if name not in ("tokens", "tags", "id"):
                columns[name] = self._lists(pa.array(flat[name], pa.string()))
        columns["document"] = pa.array(self.documents, pa.int32())
        return noted(pa.table(columns), self._notes(tokens, flat["tags"], segments))

    def _lists(self, flat: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(self.offsets, pa.int32()), flat)

    def _notes(self, tokens: Sequence[str], tags: Sequence[str], segments: pa.Array | None) -> list[str]:
        said = [f"{self.path}:{numbers[0]}: {what}: {len(numbers)}" for what, numbers in self.passed_over.items()]
        if missing := tokens.count(""):
            line = self.numbers[tokens.index("")]
            said.append(f"{self.path}:{line}: tags without a token, read as empty tokens: {missing}")
        if odd := _odd(tags):
            line = self.numbers[tags.index(odd[0])]
            what = f"tags that are neither O nor a prefix and a type, such as {faults.quoted(odd[0])}: {odd[1]}"
            said.append(f"{self.path}:{line}: {what}")
        if segments is not None:
            bare = f"; {segments.null_count} tokens carry none" if segments.null_count else ""
            said.append(f"{self.path}: each token's place in its word is taken off, into the column segment{bare}")
        if self.form.numbered:
            said.append(f"{self.path}: the first column counts the tokens; they are read from the second")
        return said


def _odd(tags: Sequence[str]) -> tuple[str, int] | None:
    """Where tags are spelt as BIO or IOBES are: the first that is not, and how many are not."""
    counts = Counter(tags)
    odd = [tag for tag in counts if not is_tag(tag)]
    strange = sum(counts[tag] for tag in odd)
    entities = any(is_tag(tag) and tag != "O" for tag in counts)
    return (odd[0], strange) if odd and entities and strange < len(tags) / 10 else None


def _unglued(tokens: Sequence[str], offsets: npt.NDArray[np.int64]) -> tuple[Sequence[str], pa.Array | None]:
    """Characters without their place in the word, and the places, where a file is written so; else as they are.

    The places of each word count from 0, so a file is known by them. A lone digit is the place of a lost character.
    """
    if not all(map(_GLUED.fullmatch, tokens[:20])):
        return tokens, None
    matches = [_GLUED.fullmatch(token) for token in tokens]
    places = np.asarray([int(match[2][:6]) if match else -1 for match in matches])
    follows = places == 0
    follows[1:] |= places[1:] == places[:-1] + 1
    follows[offsets[:-1]] = places[offsets[:-1]] == 0
    if (places >= 0).mean() < _ALMOST_ALL or follows.mean() < _ALMOST_ALL:
        return tokens, None
    bare = [match[1] if match else token for match, token in zip(matches, tokens, strict=True)]
    return bare, pa.array(places, pa.int32(), mask=places < 0)
