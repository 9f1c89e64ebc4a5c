"""Words with their tags, in windows of tokens.

Rows need a list of words and a list of as many tags. Long rows are read in windows; each word counts, in the loss and
in evaluation, in one window alone, that which sees it best: words that windows share would else weigh double.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.models import weights
from workbench.tasks.interface import Prepared
from workbench.tasks.shared.kept_tokens import kept_arrays
from workbench.tasks.shared.rows import IGNORED, Padding, TokenRows
from workbench.tasks.shared.split_facts import counts_of, row_numbers
from workbench.tasks.token_classification.alignment import Aligned
from workbench.tasks.token_classification.encode import PADDED, Cutter, WordWindows, for_words
from workbench.tasks.token_classification.spec import SPEC, TokenClassificationRecipe

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.data.cache.token_entry import Arrays
    from workbench.data.report.writing import Writing
    from workbench.data.tables.splits import Splits
    from workbench.data.tables.tags import Tagset
    from workbench.models.locate import Located


@dataclass(frozen=True)
class TagFacts:
    """The tags and how words are written, as the rows of train say; of each split, which token is of which word."""

    tagset: Tagset
    writing: Writing
    aligned: Mapping[str, Aligned]


PreparedWords = Prepared[TokenClassificationRecipe, TagFacts]


def tokenizer(recipe: TokenClassificationRecipe, splits: Splits, search: Sequence[Path]) -> PreTrainedTokenizerBase:
    from workbench.data.report.writing import Writing
    from workbench.data.tables import tagged

    words = tagged.words(splits, "train")
    writing = Writing.of(words.flat)
    texts = (writing.joined(row)[0] for part in words.rows().chunks for row in part.to_pylist())
    return for_words(weights.load_tokenizer(recipe.model, search, texts), spaced=writing.spaced)


def config(recipe: TokenClassificationRecipe, located: Located, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    return weights.read_config(recipe.model, located, weights.vocabulary(located, tokenizer, "pad_token_id"))


def prepare(
    recipe: TokenClassificationRecipe, splits: Splits, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> PreparedWords:
    from workbench.data.report.writing import Writing
    from workbench.data.tables import tagged

    length = SPEC.lengths[0].chosen(recipe.data.max_length, weights.limits(config, tokenizer))
    cutter = Cutter.of(tokenizer, length, recipe.data.stride)
    tagset = tagged.tagset(splits, recipe.data)
    writing = Writing.of(tagged.words(splits, "train").flat)
    for_words(tokenizer, spaced=writing.spaced)
    made = {split: _tagged(recipe, splits, split, cutter, tagset) for split in splits.tables()}
    facts = TagFacts(tagset, writing, {split: of_split.aligned for split, of_split in made.items()})
    return Prepared(
        recipe,
        tokenizer,
        splits,
        {split: of_split.rows for split, of_split in made.items()},
        facts,
        length,
        {split: _counts(splits, split, of_split, tagset) for split, of_split in made.items()},
        [*splits.notes, *(note for split, of_split in made.items() for note in _notes(split, of_split, tagset))],
        tagset.names,
        None if tagset.spells_entities else "plain-tags",
    )


@dataclass(frozen=True)
class _Tagged:
    """A split: its windows as rows with tags, and how they fit its words. `shortened` rows hold a word too long."""

    rows: TokenRows
    aligned: Aligned
    shortened: int

    @property
    def unseen(self) -> int:
        """Words without a token."""
        return int(self.aligned.unseen.sum())


def _tagged(recipe: TokenClassificationRecipe, splits: Splits, split: str, cutter: Cutter, tagset: Tagset) -> _Tagged:
    from workbench.data.tables import tagged

    gold = tagged.encode(splits, split, tagset, recipe.data)
    windows = _windows(recipe, splits, split, cutter)
    if not len(windows.row):
        raise DataError(f"the tokenizer knows no word of {split}", where=f"data.{split}")
    aligned = Aligned.of(windows, np.asarray(gold.flat.combine_chunks(), np.int64), gold.offsets)
    labels = _labels(aligned, tagset, further=recipe.data.tag_subwords == "all")
    rows = TokenRows(windows.ids, windows.bounds, row_numbers(splits, split)[windows.row], tags=labels)
    return _Tagged(rows, aligned, windows.shortened)


def _windows(recipe: TokenClassificationRecipe, splits: Splits, split: str, cutter: Cutter) -> WordWindows:
    from workbench.data.tables import tagged

    def make() -> Iterator[Arrays]:
        return cutter.arrays(tagged.words(splits, split).rows())

    settings = {"task": recipe.task, **cutter.settings()}
    return WordWindows.of(kept_arrays(splits, split, cutter.tokenizer, settings, make, ("tokens",)))


def _labels(aligned: Aligned, tagset: Tagset, *, further: bool) -> NDArray[np.int64]:
    """The tag of each token: that of its word on the first piece; with `further` the other pieces go on with it."""
    labels = np.full(len(aligned.place), IGNORED, np.int64)
    there = aligned.place >= 0
    tags = aligned.spelt(tagset)[aligned.place[there]]
    labels[there] = np.where(aligned.firsts[there], tags, tagset.continued[tags] if further else IGNORED)
    return labels


def _counts(splits: Splits, split: str, made: _Tagged, tagset: Tagset) -> dict[str, object]:
    from workbench.data.tables import tags

    gold, names = made.aligned.gold, tagset.names
    counts = counts_of(
        splits,
        split,
        truncated=made.shortened,
        tokens=made.rows.tokens,
        windows=len(made.rows),
        words=len(gold),
        unseen_words=made.unseen,
        labels=dict(zip(names, np.bincount(gold, minlength=len(names)).tolist(), strict=True)),
    )
    if tagset.scheme != "plain":
        counts["entities"] = tags.entities(tagset, gold, made.aligned.offsets)
        counts["unseen_entities"] = made.aligned.missed(tagset).total()
    return counts


def _notes(split: str, made: _Tagged, tagset: Tagset) -> Iterator[str]:
    """What became of words on the way to tokens."""
    rows = len(made.aligned.offsets) - 1
    if len(made.rows) > rows:
        yield f"{split}: {rows} rows are read in {len(made.rows)} windows"
    if made.shortened:
        yield f"{split}: {made.shortened} rows hold a word longer than a window, of which the beginning is seen"
    if made.unseen:
        lost = made.aligned.missed(tagset).total()
        more = f", and {lost} entities with them, which recall_all and f1_all count as missed" if lost else ""
        yield f"{split}: the tokenizer sees nothing of {made.unseen} words{more}"


def collator(prepared: PreparedWords, model: PreTrainedModel) -> Padding:
    return Padding(prepared.tokenizer.pad_token_id, PADDED, prepared.width)
