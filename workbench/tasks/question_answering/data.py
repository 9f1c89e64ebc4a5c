"""question-answering: the piece of a context that answers a question, or none (SQuAD v1 and v2).

Rows need a question, a context and its answers. The head is transformers' `…ForQuestionAnswering`; its loss is the
mean of two cross entropies, of the answer's first and last token among those of the window (Devlin et al. 2019,
sections 4.2 and 4.3). Learnt is the first answer that stands in the context; judged is against all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from workbench.contracts.answers import Candidate, ExtractAnswer
from workbench.core.errors import DataError, WorkbenchError
from workbench.models import weights
from workbench.recipe import Generate
from workbench.tasks.interface import Asked, Judge, Loss, Prepared, field_of, forward
from workbench.tasks.question_answering import predict as answer_search
from workbench.tasks.question_answering.encode import Cut, Windows, labelled
from workbench.tasks.question_answering.evaluate import AnswerJudge, found_in
from workbench.tasks.question_answering.predict import Found, Given, Search
from workbench.tasks.question_answering.spec import (
    SPEC,
    QuestionAnsweringData,
    QuestionAnsweringEvaluate,
    QuestionAnsweringRecipe,
)
from workbench.tasks.shared.card import recipe_of
from workbench.tasks.shared.kept_tokens import kept_arrays
from workbench.tasks.shared.length_batches import LengthBatches, Places
from workbench.tasks.shared.rows import IGNORED, Batch, Collator, Padding, TokenRows
from workbench.tasks.shared.text_pairs import has_segments

if TYPE_CHECKING:
    from workbench.data.cache.token_entry import Arrays
    from workbench.data.tables.answer_spans import Answers
    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located

_LENGTH: Final = SPEC.lengths[0]
_TOP: Final = 5
_IDS: Final = ("bos_token_id", "eos_token_id", "pad_token_id")


class QuestionAnswering:
    """The task, for one recipe."""

    name = "question-answering"
    draws = False

    def __init__(self, recipe: QuestionAnsweringRecipe) -> None:
        self.recipe = recipe
        self._segments = False

    def tokenizer(self, splits: Splits, search: Sequence[Path]) -> Any:
        both = chain(splits.texts("train", "question"), splits.texts("train", "context"))
        return weights.load_tokenizer(self.recipe.model, search, map(str, both))

    def config(self, located: Located, tokenizer: Any) -> Any:
        config = weights.read_config(
            self.recipe.model,
            located,
            weights.vocabulary(located, tokenizer, *_IDS),
        )
        self._segments = has_segments(config)
        return config

    def prepare(self, splits: Splits, tokenizer: Any, longest: int | None) -> Prepared:
        from workbench.data.tables import answer_spans

        cut = Cut.of(
            tokenizer, _LENGTH.chosen(self.recipe.data.max_length, longest), self.recipe.data.stride, self._segments
        )
        ready: dict[str, TokenRows] = {}
        counts, notes = {}, list(splits.notes)
        for name in splits.tables():
            found = answer_spans.read(splits, name)
            notes += answer_spans.notes(splits, name, found)
            ready[name], counts[name], said = _rows(splits, name, cut, found)
            notes += said
        return Prepared(ready, [], cut.max_length, counts, notes)

    def model(self, located: Located, tokenizer: Any, prepared: Prepared) -> tuple[Any, list[str]]:
        from transformers import AutoModelForQuestionAnswering

        config = weights.vocabulary(located, tokenizer, *_IDS)
        model, new = weights.load_model(AutoModelForQuestionAnswering, self.recipe.model, located, config)
        # Kept with the weights: whoever uses them must know whether they were taught to give no answer.
        model.config.null_threshold = threshold(self.recipe.evaluate, prepared)
        return model, new

    def collator(self, tokenizer: Any, prepared: Prepared) -> Collator:
        fixed = prepared.max_length if self.recipe.train.padding == "max_length" else None
        # On the right whatever the tokenizer says: labels are places, which padding on the left would move.
        # The models' own loss is over all places of a window, padding among them.
        return Padding(tokenizer.pad_token_id, "right", fixed, exact=True)

    def loss(self) -> Loss:
        return step_loss

    def judge(self, split: str, splits: Splits, prepared: Prepared) -> Judge:
        evaluate = self.recipe.evaluate
        search = Search(evaluate.n_best, evaluate.max_answer_length, threshold(evaluate, prepared))
        return AnswerJudge(split, splits, prepared, search)

    def samples(self, model: Any, tokenizer: Any) -> Iterator[tuple[str, str]]:
        return iter(())

    @classmethod
    def load(cls, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> Answerer:
        return Answerer(model_dir, device=device, max_length=max_length)


def threshold(evaluate: QuestionAnsweringEvaluate, prepared: Prepared) -> float | None:
    """From which margin on no answer is given: as the recipe says; else 0, and None where every question has one."""
    if evaluate.null_threshold is not None:
        return evaluate.null_threshold
    return 0.0 if any(counts["unanswerable"] for counts in prepared.counts.values()) else None


def _rows(splits: Splits, split: str, cut: Cut, found: Answers) -> tuple[TokenRows, dict[str, Any], list[str]]:
    """The windows of a split with their labels, what is counted of it, and what is to be said.

    Raises DataError where there is nothing to learn from.
    """
    table = splits.tables()[split]
    windows, shortened = _windows(splits, split, cut)
    labels, nowhere = labelled(windows, found.starts, found.ends, ~found.unanswerable)
    windows = replace(windows, labels=labels, source=np.asarray(table.column("__row__"))[windows.place])
    rows: TokenRows = windows
    if split == "train":
        rows = windows.plain(~nowhere[windows.place])
        if not len(rows):
            raise DataError("no answer stands in its context", where=str(splits.origins[split]))
    lost = np.flatnonzero(nowhere & ~found.unmatched)
    counts = {
        "rows": table.num_rows,
        "dropped": splits.dropped.get(split, 0) + (int(nowhere.sum()) if split == "train" else 0),
        "truncated": len(shortened),
        "tokens": rows.tokens,
        "windows": len(rows),
        "lost": len(lost),
    }
    notes = []
    if shortened:
        limit = cut.longest_question
        notes.append(f"{split}: {len(shortened)} questions of more than {limit} tokens, half of the window, are cut")
        notes[-1] += f" (the first: {splits.place(split, shortened[0])})"
    if len(lost):
        notes.append(f"{split}: {len(lost)} answers stand whole in no window of {cut.max_length} tokens")
        notes[-1] += f" (the first: {splits.place(split, int(lost[0]))})"
    return rows, counts | found.counts(), notes


def _windows(splits: Splits, split: str, cut: Cut) -> tuple[Windows, list[int]]:
    """The windows of a split and the questions that are cut, found in the splits' cache where they were made before."""
    asked = ("question", "context")

    def make() -> Iterator[Arrays]:
        windows, shortened = cut.windows(*(splits.texts(split, role).to_pylist() for role in asked))
        yield windows.arrays() | {"shortened": np.asarray(shortened, np.int64)}

    settings = {"task": QuestionAnswering.name, **cut.settings()}
    found: dict[str, Any] = dict(kept_arrays(splits, split, cut.tokenizer, settings, make, asked))
    shortened = found.pop("shortened").tolist()
    return Windows(source=found["place"], **found), shortened


def step_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Cross entropy in nats of first and last token, summed over the windows and divided by the labels of the step.

    Every window has two labels, so that this is the mean of both, as the models' own loss; which is the mean of the
    batch, that Trainer would add up over an accumulated step.
    """
    import torch

    both = zip((outputs.start_logits, outputs.end_logits), labels.unbind(1), strict=True)
    total = sum(
        torch.nn.functional.cross_entropy(logits.float(), places, ignore_index=IGNORED, reduction="sum")
        for logits, places in both
    )
    return total / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


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
        longest = weights.longest(config, self._tokenizer) or _LENGTH.usual
        self.max_length = min(max_length or data.max_length or _LENGTH.usual, longest)
        self._cut = Cut.of(self._tokenizer, self.max_length, data.stride, has_segments(config))
        self._search = Search(evaluate.n_best, evaluate.max_answer_length, getattr(config, "null_threshold", None))
        self._batches = LengthBatches(self._device, Padding(self._tokenizer.pad_token_id))

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[ExtractAnswer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> tuple[list[str], Windows | None]:
        asked = [field_of(row, self.fields) for row in rows]
        contexts = [context for _, context in asked]
        return contexts, self._cut.windows([question for question, _ in asked], contexts)[0] if asked else None

    def answer(self, encoded: tuple[list[str], Windows | None], top_k: int | None = None) -> list[ExtractAnswer]:
        contexts, windows = encoded
        if windows is None:
            return []
        given = answer_search.answers(windows, self._found(windows), contexts, self._search)
        return [self._answer(one, context, top_k or _TOP) for one, context in zip(given, contexts, strict=True)]

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        raise WorkbenchError("this model writes no text", hint="ask it a question about a context")

    def _found(self, windows: Windows) -> Found:
        def ask(batch: Batch, places: Places) -> tuple[Any, ...]:
            return found_in(forward(self._model, batch), batch, windows, places, self._search).tensors

        return Found(np.arange(len(windows)), *self._batches.gathered(windows, ask))

    def _answer(self, given: Given, context: str, top_k: int) -> ExtractAnswer:
        shares, none = given.shares(null=self._search.threshold is not None)
        start, end = given.span
        candidates = tuple(
            Candidate(context[begin:stop], begin, stop, share)
            for (begin, stop, _), share in list(zip(given.candidates, shares, strict=True))[:top_k]
        )
        return ExtractAnswer(context[start:end], start, end, shares[0] if given.called else none, candidates)
