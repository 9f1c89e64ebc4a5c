"""Questions with their contexts and answers, in windows of tokens.

Trained on is the first answer that stands in the context; evaluation compares with all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from workbench.models import weights
from workbench.tasks.interface import Prepared
from workbench.tasks.question_answering.encode import ContextCutter, ContextWindows, labelled
from workbench.tasks.question_answering.spec import SPEC, QuestionAnsweringRecipe
from workbench.tasks.shared.kept_tokens import kept_arrays
from workbench.tasks.shared.rows import Padding, TokenRows
from workbench.tasks.shared.split_facts import counts_of, row_numbers
from workbench.tasks.shared.text_pairs import has_segments

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.data.cache.token_entry import Arrays
    from workbench.data.tables.answer_spans import AnswerSpans
    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located

TOKENS_IN_CONFIG: Final = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True)
class AnswerFacts:
    """From which margin on no answer is given; None where every question has one."""

    null_threshold: float | None


PreparedQuestions = Prepared[QuestionAnsweringRecipe, AnswerFacts]


def tokenizer(recipe: QuestionAnsweringRecipe, splits: Splits, search: Sequence[Path]) -> PreTrainedTokenizerBase:
    both = chain(splits.texts("train", "question"), splits.texts("train", "context"))
    return weights.load_tokenizer(recipe.model, search, map(str, both))


def config(recipe: QuestionAnsweringRecipe, located: Located, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    return weights.read_config(recipe.model, located, weights.vocabulary(located, tokenizer, *TOKENS_IN_CONFIG))


def prepare(
    recipe: QuestionAnsweringRecipe, splits: Splits, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> PreparedQuestions:
    from workbench.data.tables import answer_spans

    length = SPEC.lengths[0].chosen(recipe.data.max_length, weights.longest(config, tokenizer))
    cutter = ContextCutter.of(tokenizer, length, recipe.data.stride, has_segments(config))
    rows: dict[str, TokenRows] = {}
    counts: dict[str, Mapping[str, object]] = {}
    notes, unanswerable = list(splits.notes), False
    for split in splits.tables():
        answers = answer_spans.read(splits, split)
        notes += answer_spans.notes(splits, split, answers)
        rows[split], counts[split], about_windows = _rows(splits, split, cutter, answers)
        notes += about_windows
        unanswerable |= bool(answers.unanswerable.any())
    asked = recipe.evaluate.null_threshold
    facts = AnswerFacts(0.0 if asked is None and unanswerable else asked)
    return Prepared(recipe, tokenizer, splits, rows, facts, length, counts, notes)


def _rows(
    splits: Splits, split: str, cutter: ContextCutter, answers: AnswerSpans
) -> tuple[TokenRows, dict[str, object], list[str]]:
    """The windows of a split with their labels, what is counted of it, and what the user should know.

    Raises DataError where there is nothing to train on.
    """
    from workbench.data.tables import answer_spans

    windows, shortened = _windows(splits, split, cutter)
    labels, nowhere = labelled(windows, answers.starts, answers.ends, ~answers.unanswerable)
    windows = replace(windows, labels=labels, source=row_numbers(splits, split)[windows.place])
    rows: TokenRows = windows
    if split == "train":
        rows = windows.plain(~nowhere[windows.place])
        if not len(rows):
            raise answer_spans.nothing_to_learn(splits)
    lost = np.flatnonzero(nowhere & ~answers.unmatched).tolist()
    counts = counts_of(
        splits,
        split,
        dropped=int(nowhere.sum()) if split == "train" else 0,
        truncated=len(shortened),
        tokens=rows.tokens,
        windows=len(rows),
        lost=len(lost),
        **answers.counts(),
    )
    return rows, counts, list(_notes(splits, split, cutter, shortened, lost))


def _notes(splits: Splits, split: str, cutter: ContextCutter, shortened: list[int], lost: list[int]) -> Iterator[str]:
    limit, length = cutter.longest_question, cutter.max_length
    sentences = (
        (shortened, f"questions of more than {limit} tokens, half of the window, are cut"),
        (lost, f"answers stand whole in no window of {length} tokens"),
    )
    for questions, sentence in sentences:
        if questions:
            yield f"{split}: {len(questions)} {sentence} (the first: {splits.place(split, questions[0])})"


def _windows(splits: Splits, split: str, cutter: ContextCutter) -> tuple[ContextWindows, list[int]]:
    """The windows of a split and the questions that are cut, found in the splits' cache where they were made before."""
    asked = ("question", "context")

    def make() -> Iterator[Arrays]:
        windows, shortened = cutter.windows(*(splits.texts(split, role).to_pylist() for role in asked))
        yield windows.arrays() | {"shortened": np.asarray(shortened, np.int64)}

    settings = {"task": SPEC.name, **cutter.settings()}
    found = kept_arrays(splits, split, cutter.tokenizer, settings, make, asked)
    return ContextWindows.of(found), found["shortened"].tolist()


def collator(prepared: PreparedQuestions, model: PreTrainedModel) -> Padding:
    # On the right whatever the tokenizer says: labels are places, which padding on the left would move.
    # The models' own loss is over all places of a window, padding among them.
    return Padding(prepared.tokenizer.pad_token_id, "right", prepared.width, exact=True)
