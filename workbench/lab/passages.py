"""What a row of a recipe gives to be made into tokens: its text or words, a second text, and what is learnt of them.

Labels are spans of characters, so that whoever has the tokens can lay them alongside. `spans` are
`[sequence, start, end, label]`, sequence 0 the text and 1 the second one.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Final

import pyarrow as pa

from workbench.core.errors import DataError
from workbench.data.formats import columnar
from workbench.data.report.writing import Writing
from workbench.data.tables import answer_spans, tagged
from workbench.data.tables.splits import Splits
from workbench.recipe import Data

IGNORED: Final = "-100"
"""What a token is called that nothing is learnt from, as torch's cross entropy has it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Passages:
    """The passages of a recipe's splits."""

    splits: Splits
    data: Data

    def of(self, split: str, at: int) -> dict[str, Any]:
        """`{"text", "pair", "spans", "words", "spaced", "rest"}` of the row at `at`. Raises DataError.

        With `words` the spans of the text are its words, which the tokenizer gets one by one, `spaced` or not; only
        the first token of each has the label. `rest` is the label of tokens that no span touches.
        """
        reads = self.splits.columns.shape.reads
        if reads == ("tokens",):
            return self._words(split, at)
        if reads == ("messages",):
            return _passage(self._text(split, at, None), None)
        texts = [self._text(split, at, role) for role in reads]
        if reads == ("prompt", "completion"):
            whole = "".join(texts)
            return _passage(whole, None, [[0, len(texts[0]), len(whole), "learnt"]], rest=IGNORED)
        if reads == ("question", "context"):
            question, context = texts
            return _passage(question, context, self._answer(split, at))
        return _passage(texts[0], texts[1] if len(texts) > 1 else None)

    def _one(self, split: str, at: int) -> Splits:
        """The splits with that row alone in its own."""
        rows: dict[str, Any] = {split: self.splits.tables()[split].slice(at, 1)}
        return dataclasses.replace(self.splits, **rows)

    def _text(self, split: str, at: int, role: str | None) -> str:
        return str(self._one(split, at).texts(split, role)[0].as_py() or "")

    def _answer(self, split: str, at: int) -> list[list[Any]]:
        found = answer_spans.read(self._one(split, at), split)
        start, end = int(found.starts[0]), int(found.ends[0])
        return [] if start < 0 else [[1, start, end, "answer"]]

    @functools.cached_property
    def _writing(self) -> Writing:
        return Writing.of(tagged.words(self.splits, "train").flat)

    def _words(self, split: str, at: int) -> dict[str, Any]:
        words = [str(word or "") for word in self._one(split, at).values(split, "tokens")[0].as_py()]
        text, ranges = self._writing.joined(words)
        names = self._tags(split, at)
        if len(names) != len(words):
            raise DataError(f"{len(words)} words and {len(names)} tags", where=self.splits.place(split, at))
        spans = [[0, start, end, name] for (start, end), name in zip(ranges, names, strict=True)]
        rest = "" if self.data.tag_subwords == "all" else IGNORED
        return _passage(text, None, spans, words=True, spaced=self._writing.spaced, rest=rest)

    def _tags(self, split: str, at: int) -> list[str]:
        column = self.splits.columns.of("tags") or ""
        names = self.data.labels or columnar.class_names(self.splits.train.schema, column) or []
        values = self._one(split, at).values(split, "tags")[0].as_py()
        return [names[tag] if isinstance(tag, int) and 0 <= tag < len(names) else str(tag) for tag in values or ()]


def _passage(
    text: str,
    pair: str | None,
    spans: list[list[Any]] | None = None,
    *,
    words: bool = False,
    spaced: bool = True,
    rest: str = "",
) -> dict[str, Any]:
    return {"text": text, "pair": pair, "spans": spans or [], "words": words, "spaced": spaced, "rest": rest}


def joined_words(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """A column of lists of words as strings, spaces between them; None for any other column."""
    import pyarrow.compute as pc

    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_string(kind.value_type):
        return None
    return pc.binary_join(column, " ")
