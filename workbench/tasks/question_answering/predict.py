"""A trained model: questions with their contexts in, pieces of the contexts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from workbench.contracts.answers import Candidate, CutText, ExtractAnswer
from workbench.core.errors import WorkbenchError
from workbench.models import weights
from workbench.recipe import Generate
from workbench.tasks.interface import Asked, field_of, forward
from workbench.tasks.question_answering import span_search
from workbench.tasks.question_answering.encode import ContextCutter, ContextWindows
from workbench.tasks.question_answering.loss import SpanLogits
from workbench.tasks.question_answering.span_search import BestSpans, ChosenSpan, SpanSearch, best_spans
from workbench.tasks.question_answering.spec import (
    SPEC,
    QuestionAnsweringData,
    QuestionAnsweringEvaluate,
    QuestionAnsweringRecipe,
)
from workbench.tasks.shared.card import recipe_of
from workbench.tasks.shared.length_batches import LengthBatches, Places
from workbench.tasks.shared.rows import Batch, Padding
from workbench.tasks.shared.text_pairs import has_segments

if TYPE_CHECKING:
    import torch

_TOP: Final = 5


class Answerer:
    """A trained model: questions with their contexts in, pieces of the contexts out."""

    task = "question-answering"
    labels: list[str]
    fields = ("question", "context")
    generates = False

    def __init__(self, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> None:
        from transformers import AutoModelForQuestionAnswering

        self.labels = []
        self._tokenizer = weights.open_tokenizer(model_dir)
        self._model, self._device = weights.open_model(AutoModelForQuestionAnswering, model_dir, device)
        config = self._model.config
        recipe = recipe_of(model_dir, QuestionAnsweringRecipe)
        data = QuestionAnsweringData() if recipe is None else recipe.data
        evaluate = QuestionAnsweringEvaluate() if recipe is None else recipe.evaluate
        limits = weights.limits(config, self._tokenizer)
        self.max_length = SPEC.lengths[0].fitting(max_length or data.max_length, limits)
        self._cutter = ContextCutter.of(self._tokenizer, self.max_length, data.stride, has_segments(config))
        self._search = SpanSearch(evaluate.n_best, evaluate.max_answer_length, getattr(config, "null_threshold", None))
        self._batches = LengthBatches(self._device, Padding(self._tokenizer.pad_token_id))

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[ExtractAnswer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> tuple[list[str], ContextWindows | None, dict[int, CutText]]:
        asked = [field_of(row, self.fields) for row in rows]
        if not asked:
            return [], None, {}
        questions, contexts = [question for question, _ in asked], [context for _, context in asked]
        windows, shortened = self._cutter.windows(questions, contexts)
        return contexts, windows, {place: self._cut(questions[place]) for place in shortened}

    def answer(
        self, encoded: tuple[list[str], ContextWindows | None, dict[int, CutText]], top_k: int | None = None
    ) -> list[ExtractAnswer]:
        contexts, windows, cuts = encoded
        if windows is None:
            return []
        chosen = span_search.answers(windows, self._found(windows), contexts, self._search)
        answers = [self._answer(one, context, top_k or _TOP) for one, context in zip(chosen, contexts, strict=True)]
        return [replace(answer, cut=cuts[at]) if at in cuts else answer for at, answer in enumerate(answers)]

    def _cut(self, question: str) -> CutText:
        whole = self._tokenizer(question, add_special_tokens=False, verbose=False)["input_ids"]
        return CutText(self._cutter.longest_question, len(whole))

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        raise WorkbenchError("this model writes no text", hint="ask it a question about a context")

    def _found(self, windows: ContextWindows) -> BestSpans:
        def ask(batch: Batch, places: Places) -> tuple[torch.Tensor, ...]:
            outputs: SpanLogits = forward(self._model, batch)
            return best_spans(outputs, batch, windows, places, self._search).tensors

        return BestSpans(np.arange(len(windows)), *self._batches.gathered(windows, ask))

    def _answer(self, chosen: ChosenSpan, context: str, top_k: int) -> ExtractAnswer:
        shares, none = chosen.shares(null=self._search.threshold is not None)
        start, end = chosen.span
        candidates = tuple(
            Candidate(context[begin:stop], begin, stop, share)
            for (begin, stop, _), share in list(zip(chosen.candidates, shares, strict=True))[:top_k]
        )
        return ExtractAnswer(context[start:end], start, end, shares[0] if chosen.is_answer else none, candidates)
