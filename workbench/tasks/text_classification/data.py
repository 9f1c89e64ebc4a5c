"""Texts or pairs of them with their labels, as a classifier is trained on them.

Rows need a text, perhaps a second one, and labels (`workbench.data.tables.problem` says of which kind).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import RecipeError
from workbench.models import weights
from workbench.recipe.schema import Problem
from workbench.tasks.interface import Prepared
from workbench.tasks.shared import text_pairs
from workbench.tasks.shared.encoding import TokenIds
from workbench.tasks.shared.kept_tokens import KeptTokens, kept
from workbench.tasks.shared.rows import Padding, TokenRows
from workbench.tasks.shared.split_facts import counts_of, row_numbers
from workbench.tasks.text_classification import validation
from workbench.tasks.text_classification.loss import Labels, Objective, objective_for
from workbench.tasks.text_classification.spec import SPEC, TextClassificationRecipe

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.data.tables.splits import Splits
    from workbench.data.tables.targets import Scale
    from workbench.models.locate import Located


@dataclass(frozen=True)
class LabelFacts:
    """What a label is and what is minimised for it. `pairs`: a row has two texts. `scale` is that of numbers."""

    problem: Problem
    objective: Objective
    pairs: bool
    scale: Scale | None = None


PreparedTexts = Prepared[TextClassificationRecipe, LabelFacts]


def tokenizer(recipe: TextClassificationRecipe, splits: Splits, search: Sequence[Path]) -> PreTrainedTokenizerBase:
    return weights.load_tokenizer(recipe.model, search, (str(text) for text in splits.texts("train")))


def config(recipe: TextClassificationRecipe, located: Located, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    return weights.read_config(recipe.model, located, weights.vocabulary(located, tokenizer, "pad_token_id"))


def prepare(
    recipe: TextClassificationRecipe, splits: Splits, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> PreparedTexts:
    from workbench.data.tables import labels, problem

    kind = problem.of(splits, recipe.data)
    _refuse(validation.problems_of_kind(recipe, kind))
    pairs = splits.columns.of("text_pair") is not None
    length = SPEC.lengths[0].chosen(recipe.data.max_length, weights.limits(config, tokenizer))
    text_pairs.check_room(tokenizer, length, pairs=pairs)
    names = labels.classes(splits, recipe.data)
    _refuse(validation.class_problems(recipe, kind, names))
    encoded = {split: labels.encode(splits, split, names, recipe.data) for split in splits.tables()}
    facts = _facts(recipe, kind, encoded["train"], names, pairs=pairs, where=str(splits.origins["train"]))
    typed = text_pairs.has_segments(config)
    rows: dict[str, TokenRows] = {}
    counts: dict[str, Mapping[str, object]] = {}
    for split, of_split in encoded.items():
        read = _read(recipe, splits, split, tokenizer, length, pairs=pairs, typed=typed)
        targets = of_split if facts.scale is None else facts.scale.put(of_split)
        rows[split] = TokenRows(read.ids, read.bounds, row_numbers(splits, split), targets, segments=read.segments)
        counted = _counts_of_labels(kind, of_split, names)
        counts[split] = counts_of(splits, split, truncated=read.cut, tokens=rows[split].tokens) | counted
    notes = [*splits.notes, *_notes(tokenizer, facts, names)]
    return Prepared(recipe, tokenizer, splits, rows, facts, length, counts, notes, names, kind)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise RecipeError(problems)


def _facts(
    recipe: TextClassificationRecipe, kind: Problem, train: Labels, names: list[str], *, pairs: bool, where: str
) -> LabelFacts:
    from workbench.data.tables.targets import Scale

    objective = objective_for(kind, recipe.train, train, names)
    return LabelFacts(
        kind, objective, pairs, Scale.of(train.astype(np.float64), names, where) if kind == "regression" else None
    )


def _read(
    recipe: TextClassificationRecipe,
    splits: Splits,
    split: str,
    tokenizer: PreTrainedTokenizerBase,
    length: int,
    *,
    pairs: bool,
    typed: bool,
) -> KeptTokens:
    def make() -> Iterator[TokenIds]:
        others = splits.texts(split, "text_pair") if pairs else None
        return text_pairs.read(tokenizer, splits.texts(split, "text"), others, length, typed=typed)

    settings = {"task": recipe.task, "max_length": length, "typed": typed}
    return kept(splits, split, ("text", "text_pair") if pairs else ("text",), tokenizer, settings, make)


def _counts_of_labels(kind: Problem, encoded: Labels, names: list[str]) -> dict[str, object]:
    """What the `data` event says of the labels of a split."""
    from workbench.data.tables import labels, targets

    if kind == "regression":
        return {
            "targets": {name: targets.summary(encoded[:, place].astype(np.float64)) for place, name in enumerate(names)}
        }
    found: dict[str, object] = {"labels": labels.tally(encoded, names)}
    if kind == "multi-label":
        found["unlabelled"] = int((encoded.sum(axis=1) == 0).sum())
    return found


def _notes(tokenizer: PreTrainedTokenizerBase, facts: LabelFacts, names: list[str]) -> Iterator[str]:
    if facts.pairs:
        yield from text_pairs.notes_of(tokenizer)
    if facts.objective.weights is not None:
        weighed = (f"{name} {weight:.4g}" for name, weight in zip(names[:20], facts.objective.weights, strict=False))
        yield f"class weights: {', '.join(weighed)}{', …' if len(names) > 20 else ''}"


def collator(prepared: PreparedTexts, model: PreTrainedModel) -> Padding:
    return Padding(prepared.tokenizer.pad_token_id, prepared.tokenizer.padding_side, prepared.width)
