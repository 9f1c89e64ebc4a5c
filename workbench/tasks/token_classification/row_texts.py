"""The words of a row with their tags, as the Tokens pane shows them."""

from __future__ import annotations

import functools

from workbench.core.errors import DataError
from workbench.data.formats import columnar
from workbench.data.report.writing import Writing
from workbench.data.tables import tagged
from workbench.tasks.shared.row_texts import IGNORED, RowText, RowTexts
from workbench.tasks.token_classification.spec import TokenClassificationData


class TaggedWords(RowTexts[TokenClassificationData]):
    """Words, each with its tag."""

    def of(self, split: str, at: int) -> RowText:
        words = [str(word or "") for word in self.one(split, at).values(split, "tokens")[0].as_py()]
        text, ranges = self._writing.joined(words)
        names = self._tags(split, at)
        if len(names) != len(words):
            raise DataError(f"{len(words)} words and {len(names)} tags", where=self.splits.place(split, at))
        spans = [(0, start, end, name) for (start, end), name in zip(ranges, names, strict=True)]
        rest = "" if self.data.tag_subwords == "all" else IGNORED
        return RowText(text, None, spans, words=True, spaced=self._writing.spaced, rest=rest)

    @functools.cached_property
    def _writing(self) -> Writing:
        return Writing.of(tagged.words(self.splits, "train").flat)

    def _tags(self, split: str, at: int) -> list[str]:
        column = self.splits.columns.of("tags") or ""
        names = self.data.labels or columnar.class_names(self.splits.train.schema, column) or []
        values = self.one(split, at).values(split, "tags")[0].as_py()
        return [names[tag] if isinstance(tag, int) and 0 <= tag < len(names) else str(tag) for tag in values or ()]
