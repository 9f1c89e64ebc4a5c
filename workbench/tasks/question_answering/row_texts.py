"""A question and its context with the answer in it, as the Tokens pane shows them."""

from __future__ import annotations

from workbench.data.tables import answer_spans
from workbench.tasks.question_answering.spec import QuestionAnsweringData
from workbench.tasks.shared.row_texts import RowText, RowTexts


class QuestionAndContext(RowTexts[QuestionAnsweringData]):
    """The question, and the context with its answer marked."""

    def of(self, split: str, at: int) -> RowText:
        question, context = (self.text(split, at, role) for role in self.splits.columns.shape.reads)
        found = answer_spans.read(self.one(split, at), split)
        start, end = int(found.starts[0]), int(found.ends[0])
        return RowText(question, context, [] if start < 0 else [(1, start, end, "answer")])
