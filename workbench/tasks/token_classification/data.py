"""token-classification: a tag for every word: entities, or plain tags such as parts of speech.

Rows need a list of words and a list of as many tags. The head is transformers' `…ForTokenClassification`, its loss
cross entropy over the tokens that carry a tag. Long rows are read in windows; each word is learnt from, and judged,
in one window alone, that which sees it best: words that windows share would else weigh double in the loss. What an
answer needs beside the weights is in the model's config: `tag_scheme`, `word_split` and `words_spaced`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.models import weights
from workbench.recipe.schema import Problem
from workbench.tasks.interface import Judge, Loss, Prepared
from workbench.tasks.shared.kept_tokens import kept_arrays
from workbench.tasks.shared.rows import IGNORED, Collator, Padding, TokenRows
from workbench.tasks.token_classification.encode import Cutter, Pieces, for_words
from workbench.tasks.token_classification.evaluate import Aligned, TagJudge
from workbench.tasks.token_classification.predict import PADDED, Tagger
from workbench.tasks.token_classification.spec import SPEC, TokenClassificationRecipe

if TYPE_CHECKING:
    from workbench.data.cache.token_entry import Arrays
    from workbench.data.report.writing import Writing
    from workbench.data.tables.splits import Splits
    from workbench.data.tables.tags import Tagset
    from workbench.models.locate import Located

_LENGTH: Final = SPEC.lengths[0]


@dataclass(frozen=True)
class Learnt:
    """What the rows of train say is to be learnt; and of each split, which token is of which word."""

    tagset: Tagset
    writing: Writing
    aligned: dict[str, Aligned] = field(default_factory=dict)


class TokenClassification:
    """The task, for one recipe."""

    name = "token-classification"
    draws = False

    def __init__(self, recipe: TokenClassificationRecipe) -> None:
        self.recipe = recipe
        self._learnt: Learnt | None = None

    @property
    def learnt(self) -> Learnt:
        assert self._learnt is not None, "rows are prepared before they are learnt from"
        return self._learnt

    def tokenizer(self, splits: Splits, search: Sequence[Path]) -> Any:
        from workbench.data.report.writing import Writing
        from workbench.data.tables import tagged

        words = tagged.words(splits, "train")
        writing = Writing.of(words.flat)
        texts = (writing.joined(row)[0] for part in words.rows().chunks for row in part.to_pylist())
        return for_words(weights.load_tokenizer(self.recipe.model, search, texts), spaced=writing.spaced)

    def config(self, located: Located, tokenizer: Any) -> Any:
        return weights.read_config(self.recipe.model, located, weights.vocabulary(located, tokenizer, "pad_token_id"))

    def prepare(self, splits: Splits, tokenizer: Any, longest: int | None) -> Prepared:
        from workbench.data.report.writing import Writing
        from workbench.data.tables import tagged

        length = _LENGTH.chosen(self.recipe.data.max_length, longest)
        cutter = Cutter.of(tokenizer, length, self.recipe.data.stride)
        tagset = tagged.tagset(splits, self.recipe.data)
        writing = Writing.of(tagged.words(splits, "train").flat)
        for_words(tokenizer, spaced=writing.spaced)
        self._learnt = Learnt(tagset, writing)
        ready, counts = {}, {}
        for name in splits.tables():
            ready[name], counts[name] = self._split(splits, name, cutter)
        notes = [*splits.notes, *_notes(counts)]
        problem: Problem | None = None if tagset.spells_entities else "plain-tags"
        return Prepared(ready, tagset.names, length, counts, notes, problem)

    def _split(self, splits: Splits, name: str, cutter: Cutter) -> tuple[TokenRows, dict[str, Any]]:
        from workbench.data.tables import tagged

        gold = tagged.encode(splits, name, self.learnt.tagset, self.recipe.data)
        pieces = self._pieces(splits, name, cutter)
        if not len(pieces.row):
            raise DataError(f"the tokenizer knows no word of {name}", where=f"data.{name}")
        aligned = Aligned.of(pieces, np.asarray(gold.flat.combine_chunks(), np.int64), gold.offsets)
        self.learnt.aligned[name] = aligned
        source = np.asarray(splits.tables()[name].column("__row__"))[pieces.row]
        rows = TokenRows(pieces.ids, pieces.bounds, source, tags=self._labels(aligned))
        counts = {"rows": len(gold.offsets) - 1, "dropped": splits.dropped.get(name, 0)}
        return rows, counts | self._counted(pieces, aligned, rows)

    def _pieces(self, splits: Splits, name: str, cutter: Cutter) -> Pieces:
        from workbench.data.tables import tagged

        def make() -> Iterator[Arrays]:
            return cutter.arrays(tagged.words(splits, name).rows())

        settings = {"task": self.name, **cutter.settings()}
        return Pieces.of(kept_arrays(splits, name, cutter.tokenizer, settings, make, ("tokens",)))

    def _labels(self, aligned: Aligned) -> NDArray[np.int64]:
        """The tag of each token: that of its word on the first piece; further pieces carry none, or go on with it."""
        further = self.learnt.tagset.continued if self.recipe.data.tag_subwords == "all" else None
        labels = np.full(len(aligned.place), IGNORED, np.int64)
        there = aligned.place >= 0
        tags = aligned.spelt(self.learnt.tagset)[aligned.place[there]]
        first = aligned.firsts[there]
        labels[there] = np.where(first, tags, IGNORED if further is None else further[tags])
        return labels

    def _counted(self, pieces: Pieces, aligned: Aligned, rows: TokenRows) -> dict[str, Any]:
        from workbench.data.tables import tags

        tagset, unseen = self.learnt.tagset, aligned.unseen
        counts: dict[str, Any] = {
            "truncated": pieces.shortened,
            "tokens": rows.tokens,
            "windows": len(rows),
            "words": len(aligned.gold),
            "unseen_words": int(unseen.sum()),
            "labels": dict(
                zip(tagset.names, np.bincount(aligned.gold, minlength=len(tagset.names)).tolist(), strict=True)
            ),
        }
        if tagset.scheme != "plain":
            counts["entities"] = tags.entities(tagset, aligned.gold, aligned.offsets)
            counts["unseen_entities"] = sum(aligned.missed(tagset).values())
        return counts

    def model(self, located: Located, tokenizer: Any, prepared: Prepared) -> tuple[Any, list[str]]:
        from transformers import AutoModelForTokenClassification

        names = dict(enumerate(prepared.labels))
        config = {
            "num_labels": len(names),
            "id2label": names,
            "label2id": {label: place for place, label in names.items()},
        }
        config |= weights.vocabulary(located, tokenizer, "pad_token_id")
        model, new = weights.load_model(AutoModelForTokenClassification, self.recipe.model, located, config)
        model.config.pad_token_id = tokenizer.pad_token_id
        model.config.tag_scheme = self.learnt.tagset.scheme
        model.config.word_split = self.learnt.writing.split
        model.config.words_spaced = self.learnt.writing.spaced
        return model, new

    def collator(self, tokenizer: Any, prepared: Prepared) -> Collator:
        fixed = prepared.max_length if self.recipe.train.padding == "max_length" else None
        return Padding(tokenizer.pad_token_id, PADDED, fixed)

    def loss(self) -> Loss:
        return step_loss

    def judge(self, split: str, splits: Splits, prepared: Prepared) -> Judge:
        learnt = self.learnt
        return TagJudge(split, splits, prepared.splits[split], learnt.aligned[split], learnt.tagset, learnt.writing)

    def samples(self, model: Any, tokenizer: Any) -> Iterator[tuple[str, str]]:
        return iter(())

    @classmethod
    def load(cls, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> Tagger:
        return Tagger(model_dir, device=device, max_length=max_length)


def step_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Cross entropy in nats, summed over the tokens with a tag and divided by those of the whole optimizer step."""
    import torch

    logits = outputs.logits.float().flatten(0, 1)
    total = torch.nn.functional.cross_entropy(logits, labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return total / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


def _notes(counts: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What became of words on the way to tokens."""
    for name, found in counts.items():
        if found["windows"] > found["rows"]:
            yield f"{name}: {found['rows']} rows are read in {found['windows']} windows"
        if found["truncated"]:
            yield f"{name}: {found['truncated']} rows hold a word longer than a window, of which the beginning is seen"
        if found["unseen_words"]:
            lost = found.get("unseen_entities")
            more = f", and {lost} entities with them, which recall_all and f1_all count as missed" if lost else ""
            yield f"{name}: the tokenizer sees nothing of {found['unseen_words']} words{more}"
