"""A trained classifier or regression, asked about texts or pairs of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.answers import Answer, CutText, LabelAnswer, LabelsAnswer, ValuesAnswer
from workbench.core.errors import WorkbenchError
from workbench.models import weights
from workbench.recipe import Generate
from workbench.tasks.interface import Asked, field_of
from workbench.tasks.shared import text_pairs
from workbench.tasks.shared.card import recipe_of
from workbench.tasks.shared.class_names import names_in
from workbench.tasks.shared.length_batches import LengthBatches, Places
from workbench.tasks.shared.rows import Batch, Padding, RowItem
from workbench.tasks.text_classification.evaluate import sigmoid, softmax
from workbench.tasks.text_classification.model import THRESHOLD, scale_of
from workbench.tasks.text_classification.spec import SPEC, TextClassificationRecipe

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

_WORDS: Final = {
    "single_label_classification": "single-label",
    "multi_label_classification": "multi-label",
    "regression": "regression",
}


class TextClassifier:
    """Texts in; a label, labels or numbers out, as the model's config says."""

    task = "text-classification"
    generates = False

    def __init__(self, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> None:
        from transformers import AutoModelForSequenceClassification

        self._tokenizer = weights.open_tokenizer(model_dir)
        self._model, self._device = weights.open_model(AutoModelForSequenceClassification, model_dir, device)
        config = self._model.config
        self.max_length = SPEC.lengths[0].fitting(max_length, weights.limits(config, self._tokenizer))
        self.labels = names_in(config)
        self.fields = fields(config, model_dir)
        # What a config does not say, transformers tells by the number of outputs too.
        usual = "regression" if len(self.labels) == 1 else "single-label"
        self._problem = _WORDS.get(config.problem_type or "", usual)
        self._thresholds = np.array(getattr(config, "thresholds", None) or [THRESHOLD] * len(self.labels))
        self._scale = scale_of(config)
        self._typed = text_pairs.has_segments(config)
        padding = Padding(self._tokenizer.pad_token_id, self._tokenizer.padding_side)
        self._batches = LengthBatches(self._device, padding)

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> Sequence[Answer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> tuple[list[RowItem], list[CutText | None]]:
        asked = [field_of(row, self.fields) for row in rows]
        others = [row[1] for row in asked] if len(self.fields) > 1 else None
        texts = [row[0] for row in asked]
        read = text_pairs.read(self._tokenizer, texts, others, self.max_length, typed=self._typed)
        items = text_pairs.items(read)
        return items, text_pairs.cuts(self._tokenizer, asked, items, self.max_length)

    def answer(self, encoded: tuple[list[RowItem], list[CutText | None]], top_k: int | None = None) -> Sequence[Answer]:
        items, cuts = encoded
        if not items:
            return []
        (logits,) = self._batches.gathered(items, self._logits)
        answers = self._answers(logits.astype(np.float64), top_k)
        return [replace(answer, cut=cut) if cut else answer for answer, cut in zip(answers, cuts, strict=True)]

    def _logits(self, batch: Batch, places: Places) -> tuple[torch.Tensor]:
        return (self._model(**batch).logits.float(),)

    def _answers(
        self, logits: NDArray[np.float64], top_k: int | None
    ) -> Sequence[LabelAnswer | LabelsAnswer | ValuesAnswer]:
        if self._problem == "regression":
            values = self._scale.back(logits).tolist()
            return [ValuesAnswer(dict(zip(self.labels, row, strict=True))) for row in values]
        if self._problem == "multi-label":
            shares = sigmoid(logits)
            predicted = [
                {name for name, far in zip(self.labels, row, strict=True) if far}
                for row in (shares >= self._thresholds).tolist()
            ]
            return [
                LabelsAnswer(tuple(name for name in ranked if name in names), _first(ranked, top_k))
                for ranked, names in zip(self._ranked(shares), predicted, strict=True)
            ]
        return [LabelAnswer(next(iter(ranked)), _first(ranked, top_k)) for ranked in self._ranked(softmax(logits))]

    def _ranked(self, shares: NDArray[np.float64]) -> Iterator[dict[str, float]]:
        """The labels of each row with their shares [rows, labels], likeliest first."""
        order = np.argsort(-shares, axis=1, kind="stable")
        sorted_shares = np.take_along_axis(shares, order, axis=1)
        for places, row in zip(order.tolist(), sorted_shares.tolist(), strict=True):
            yield {self.labels[place]: share for place, share in zip(places, row, strict=True)}

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        raise WorkbenchError("a classifier generates no text", hint="give it texts to label")


def _first(ranked: dict[str, float], top_k: int | None) -> dict[str, float]:
    return ranked if top_k is None else dict(islice(ranked.items(), top_k))


def fields(config: PreTrainedConfig, model_dir: Path) -> tuple[str, ...]:
    """`text`, and `text_pair` where the model was trained on pairs: as its config or its recipe says."""
    made_by = recipe_of(model_dir, TextClassificationRecipe)
    pairs = getattr(config, "text_pairs", False) or (made_by is not None and made_by.data.text_pair is not None)
    return ("text", "text_pair") if pairs else ("text",)
