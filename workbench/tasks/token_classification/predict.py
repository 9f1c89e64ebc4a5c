"""A trained tagger, asked about texts, or about rows that are words already."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.answers import EntitiesAnswer, FoundEntity
from workbench.core.errors import BadInput, WorkbenchError
from workbench.data.report.writing import Range, Writing
from workbench.data.tables.tags import Tagset, scheme_of
from workbench.metrics.entities import OUTSIDE, Scheme, Span, spans
from workbench.models import weights
from workbench.recipe import Generate
from workbench.tasks.interface import Asked, field_of
from workbench.tasks.shared.card import recipe_of
from workbench.tasks.shared.class_names import names_in
from workbench.tasks.shared.length_batches import LengthBatches, Places
from workbench.tasks.shared.rows import Batch, Padding, RowItem
from workbench.tasks.token_classification.encode import PADDED, Cutter, WordWindows, for_words
from workbench.tasks.token_classification.spec import SPEC, TokenClassificationRecipe

if TYPE_CHECKING:
    import torch

TOKENS: Final = "tokens"


@dataclass(frozen=True)
class Words:
    """A text and where its words stand in it, in code points."""

    text: str
    ranges: list[Range]

    @property
    def words(self) -> list[str]:
        return [self.text[start:end] for start, end in self.ranges]


class Tagger:
    """Texts in, entities out; of plain tags each tagged word is one.

    A row may be words already, as `{"tokens": ["Karl", "Ove"]}`: places are then those of the words joined as in
    running text, by spaces or, of Chinese characters, by nothing. The score of an entity is the mean probability of
    its words' tags.
    """

    task = "token-classification"
    fields = ("text",)
    generates = False

    def __init__(self, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> None:
        from transformers import AutoModelForTokenClassification

        self._model, self._device = weights.open_model(AutoModelForTokenClassification, model_dir, device)
        config = self._model.config
        self.labels = names_in(config)
        self._tagset = Tagset(self.labels, getattr(config, "tag_scheme", None) or _shown_by(self.labels))
        spaced = getattr(config, "words_spaced", True)
        self._writing = Writing(getattr(config, "word_split", None) or "words", spaced)
        self._tokenizer = for_words(weights.open_tokenizer(model_dir), spaced=spaced)
        self.max_length = SPEC.lengths[0].fitting(max_length, weights.limits(config, self._tokenizer))
        made_by = recipe_of(model_dir, TokenClassificationRecipe)
        stride = None if made_by is None else made_by.data.stride
        fits = stride is not None and stride < self.max_length // 2
        self._cutter = Cutter.of(self._tokenizer, self.max_length, stride if fits else None)
        self._batches = LengthBatches(self._device, Padding(self._tokenizer.pad_token_id, PADDED))

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[EntitiesAnswer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> tuple[list[Words], WordWindows]:
        asked = [self._words(row) for row in rows]
        return asked, self._cutter.cut([row.words for row in asked])

    def answer(self, encoded: tuple[list[Words], WordWindows], top_k: int | None = None) -> list[EntitiesAnswer]:
        asked, windows = encoded
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(row.ranges) for row in asked], dtype=np.int64)])
        predicted, shares = self._predicted(windows, offsets)
        parts = zip(asked, offsets[:-1], offsets[1:], strict=True)
        return [
            EntitiesAnswer(self._entities(row, predicted[start:end], shares[start:end])) for row, start, end in parts
        ]

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        raise WorkbenchError("a tagger generates no text", hint="give it texts to tag")

    def _words(self, row: Asked) -> Words:
        if isinstance(row, Mapping) and TOKENS in row and "text" not in row:
            return Words(*self._writing.joined(_listed(row[TOKENS])))
        (text,) = field_of(row, self.fields)
        return Words(text, self._writing.parted(text))

    def _predicted(
        self, windows: WordWindows, offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Of each word of all rows the likeliest tag and its probability; -1 and 0 where nothing is seen."""
        predicted, shares = np.full(offsets[-1], -1), np.zeros(offsets[-1])
        edges = windows.bounds[1:-1]
        firsts, words_of = np.split(windows.firsts, edges), np.split(windows.words, edges)
        items: list[RowItem] = [{"input_ids": ids} for ids in np.split(windows.ids, edges)[: len(windows.row)]]
        for places, (best, probability) in self._batches.answers(items, self._likeliest):
            tags, likely = best.numpy(), probability.numpy()
            for place, at in enumerate(places.tolist()):
                tokens = np.flatnonzero(firsts[at])
                words = offsets[windows.row[at]] + words_of[at][tokens]
                predicted[words], shares[words] = tags[place, tokens], likely[place, tokens]
        return predicted, shares

    def _likeliest(self, batch: Batch, places: Places) -> tuple[torch.Tensor, torch.Tensor]:
        best = self._model(**batch).logits.float().softmax(-1).max(-1)
        return best.indices, best.values

    def _entities(
        self, row: Words, predicted: NDArray[np.int64], shares: NDArray[np.float64]
    ) -> tuple[FoundEntity, ...]:
        seen = np.flatnonzero(predicted >= 0)
        tags = [self._tagset.canonical[place] for place in predicted[seen]]
        found = []
        for kind, first, after in self._spans(tags):
            words = seen[first:after]
            start, end = row.ranges[words[0]][0], row.ranges[words[-1]][1]
            score = float(shares[words].mean())
            found.append(FoundEntity(kind, start, end, row.text[start:end], score))
        return tuple(found)

    def _spans(self, tags: list[str]) -> list[Span]:
        if self._tagset.spells_entities:
            return spans(tags, self._tagset.scheme)
        return [(tag, at, at + 1) for at, tag in enumerate(tags) if tag != OUTSIDE]


def _listed(words: object) -> list[str]:
    """A list of words, or one written as JSON. Raises BadInput."""
    try:
        found = json.loads(words) if isinstance(words, str) else words
    except ValueError:
        found = None
    if not isinstance(found, list | tuple) or not all(isinstance(word, str) for word in found):
        raise BadInput("tokens are no list of words", hint='give ["Karl", "Ove"], or a text')
    return list(found)


def _shown_by(labels: list[str]) -> Scheme:
    """The scheme that the labels of a model from elsewhere show."""
    return scheme_of(labels, np.arange(len(labels)), np.arange(len(labels) + 1))
