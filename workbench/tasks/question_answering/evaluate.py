"""How well answers are found: exact match and F1 over all questions of a split, and each question by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.interface import EvaluationResult, Evaluator, forward
from workbench.tasks.question_answering import span_search
from workbench.tasks.question_answering.data import PreparedQuestions
from workbench.tasks.question_answering.encode import ContextWindows
from workbench.tasks.question_answering.loss import SpanLogits
from workbench.tasks.question_answering.span_search import BestSpans, ChosenSpan, SpanSearch, SpansOnDevice, best_spans
from workbench.tasks.shared.rows import IGNORED, Batch
from workbench.tasks.shared.split_facts import row_numbers

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel

    from workbench.metrics.base import Measured

_BEST: Final = ("best_f1", "best_f1_threshold")
_OF_NO_ANSWER: Final = ("exact_match_no_answer", "f1_no_answer", *_BEST)


def evaluator(prepared: PreparedQuestions, split: str) -> Evaluator[SpanLogits, BestSpans]:
    return AnswerEvaluator(prepared, split)


class AnswerEvaluator:
    """Keeps the best spans of every window; what they are worth is found once, over all windows of each question."""

    def __init__(self, prepared: PreparedQuestions, split: str) -> None:
        windows, evaluate = prepared.rows[split], prepared.recipe.evaluate
        assert isinstance(windows, ContextWindows), "what is evaluated knows its way back to the text"
        self._split, self._splits, self._windows = split, prepared.splits, windows
        self._search = SpanSearch(evaluate.n_best, evaluate.max_answer_length, prepared.own.null_threshold)
        self._found: list[SpansOnDevice] = []

    def ask(self, model: PreTrainedModel, batch: Batch) -> SpanLogits:
        outputs: SpanLogits = forward(model, batch)
        return outputs

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: SpanLogits) -> None:
        self._found.append(best_spans(outputs, batch, self._windows, np.asarray(rows), self._search))

    def part(self) -> BestSpans:
        n_best, none = self._search.n_best, np.zeros(0, np.float32)
        nothing = BestSpans(
            np.zeros(0, np.int64), np.zeros((0, n_best, 2), np.int32), np.zeros((0, n_best), np.float32), none, none
        )
        return BestSpans.joined([nothing, *(found.on_host() for found in self._found)])

    def result(self, parts: Sequence[BestSpans]) -> EvaluationResult:
        from workbench.data.tables import answer_spans

        found = BestSpans.joined(parts)
        contexts = self._splits.texts(self._split, "context").to_pylist()
        chosen = span_search.answers(self._windows, found, contexts, self._search)
        golds = answer_spans.read(self._splits, self._split).golds
        answered = AnsweredQuestions(chosen, contexts, golds, answer_spans.by_character(golds))
        losses = np.full(len(self._windows), np.nan)
        losses[found.rows] = found.losses
        measured = answered.measured(thresholds=self._search.threshold is not None)
        # Where each question has an answer, what is asked of the others is not undefined: it does not arise.
        aside = _OF_NO_ANSWER if not measured["report"]["no_answer"] else ()
        measured["undefined"] = [name for name in measured["undefined"] if name not in aside]
        return EvaluationResult(**self._with_loss(measured, losses), predictions=partial(self._table, answered, losses))

    def _with_loss(self, measured: Measured, losses: NDArray[np.float64]) -> Measured:
        """The mean over the windows that have labels, as training takes it; those of one question hang together."""
        from workbench.metrics.base import with_loss

        known = losses[_labelled(self._windows)]
        if not len(known):
            return {**measured, "undefined": ["loss", *measured["undefined"]]}
        return with_loss(measured, float(known.mean()), np.stack(_sums_of_questions(self._windows, losses), axis=1))

    def _table(self, answered: AnsweredQuestions, losses: NDArray[np.float64]) -> pa.Table:
        import pyarrow as pa

        exact, f1 = zip(*answered.each(), strict=True)
        spans = np.array([chosen.span for chosen in answered.chosen], np.int64).reshape(-1, 2)
        none = np.array([chosen.no_answer_probability for chosen in answered.chosen], np.float32)
        return pa.table(
            {
                "row": pa.array(row_numbers(self._splits, self._split)),
                "label": pa.array([golds[0] if golds else "" for golds in answered.golds], pa.string()),
                "prediction": pa.array(answered.texts(likeliest=False), pa.string()),
                "score": pa.array(f1, pa.float32()),
                "loss": _of_questions(self._windows, losses),
                "text": self._splits.texts(self._split),
                "start": pa.array(spans[:, 0]),
                "end": pa.array(spans[:, 1]),
                "no_answer_probability": pa.array(none),
                "exact": pa.array(map(bool, exact), pa.bool_()),
            }
        )


def _labelled(windows: ContextWindows) -> NDArray[np.bool_]:
    assert windows.labels is not None, "windows that are evaluated have labels"
    known: NDArray[np.bool_] = windows.labels[:, 0] != IGNORED
    return known


def _of_questions(windows: ContextWindows, losses: NDArray[np.float64]) -> pa.Array:
    """The mean loss of each question's windows, float32; null where its answer is in none of them."""
    import pyarrow as pa

    sums, counted = _sums_of_questions(windows, losses)
    means = sums / np.maximum(counted, 1)
    return pa.array(means.astype(np.float32), mask=counted == 0)


def _sums_of_questions(windows: ContextWindows, losses: NDArray[np.float64]) -> list[NDArray[np.number]]:
    """The loss of each question's windows that have labels, and how many those are."""
    known, number = _labelled(windows), int(windows.place[-1]) + 1
    counted = np.bincount(windows.place[known], minlength=number)
    return [np.bincount(windows.place[known], losses[known], minlength=number), counted]


@dataclass(frozen=True)
class AnsweredQuestions:
    """What was answered to each question, and what would have been right. `characters`: compared by character."""

    chosen: list[ChosenSpan]
    contexts: list[str]
    golds: list[list[str]]
    characters: bool

    def texts(self, *, likeliest: bool) -> list[str]:
        """The answers; with `likeliest` the likeliest piece even where no answer was given."""
        spans = [chosen.best if likeliest else chosen.span for chosen in self.chosen]
        return [context[start:end] for context, (start, end) in zip(self.contexts, spans, strict=True)]

    def measured(self, *, thresholds: bool) -> Measured:
        """What the metric says of the answers as given; with `thresholds` also what the best one would make of them.

        `best_f1_threshold` is a margin, as `evaluate.null_threshold` is.
        """
        measured = self._computed(likeliest=False)
        if not thresholds:
            return measured
        likeliest = self._computed(likeliest=True)["scalars"]
        scalars = measured["scalars"] | {name: likeliest[name] for name in _BEST if name in likeliest}
        if "best_f1_threshold" in scalars:
            scalars["best_f1_threshold"] = self._margin(scalars["best_f1_threshold"])
        return {**measured, "scalars": scalars}

    def _computed(self, *, likeliest: bool) -> Measured:
        from workbench.metrics.exact_match import Answers

        none = [chosen.no_answer_probability for chosen in self.chosen]
        texts = self.texts(likeliest=likeliest)
        predictions = [
            {"text": text, "no_answer_probability": probability} for text, probability in zip(texts, none, strict=True)
        ]
        measured: Measured = Answers().compute(
            predictions=predictions, references=self.golds, characters=self.characters
        )
        return measured

    def _margin(self, probability: float) -> float:
        """The greatest margin whose probability of no answer is at most this; below all, where there is none."""
        margins = np.array([chosen.margin for chosen in self.chosen])
        none = np.array([chosen.no_answer_probability for chosen in self.chosen])
        margins, none = margins[np.isfinite(margins)], none[np.isfinite(margins)]
        if not len(margins):
            return 0.0
        under = margins[none <= probability]
        return float(under.max()) if len(under) else float(margins.min()) - 1.0

    def each(self) -> list[tuple[float, float]]:
        """Exact match and F1 of each question."""
        from workbench.metrics.exact_match import best

        answered = zip(self.texts(likeliest=False), self.golds, strict=True)
        return [best(text, golds, characters=self.characters) for text, golds in answered]
