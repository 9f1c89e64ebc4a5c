"""A trained classifier or regression, asked about texts or pairs of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.data.targets import Scale
from workbench.errors import WorkbenchError
from workbench.recipe import Generate
from workbench.tasks import Asked, field_of, text_pairs, weights
from workbench.tasks.card import recipe_of
from workbench.tasks.rows import Padding
from workbench.tasks.text_judges import sigmoid, softmax

DEFAULT_LENGTH: Final = 512
THRESHOLD: Final = 0.5
_AT_ONCE: Final = 32
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
        limit = weights.longest(config, self._tokenizer) or DEFAULT_LENGTH
        self.max_length = min(max_length or DEFAULT_LENGTH, limit)
        self.labels = [str(config.id2label[place]) for place in sorted(config.id2label)]
        self.fields = fields(config, model_dir)
        # What a config does not say, transformers tells by the number of outputs too.
        usual = "regression" if len(self.labels) == 1 else "single-label"
        self._problem = _WORDS.get(config.problem_type or "", usual)
        self._thresholds = np.array(getattr(config, "thresholds", None) or [THRESHOLD] * len(self.labels))
        self._scale = scale_of(config)

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[dict[str, Any]]:
        import torch

        asked = [field_of(row, self.fields) for row in rows]
        others = [row[1] for row in asked] if len(self.fields) > 1 else None
        texts, typed = [row[0] for row in asked], text_pairs.has_segments(self._model.config)
        items = text_pairs.items(text_pairs.read(self._tokenizer, texts, others, self.max_length, typed=typed))
        pad = Padding(self._tokenizer.pad_token_id, self._tokenizer.padding_side)
        answers = []
        for start in range(0, len(items), _AT_ONCE):
            batch = pad(items[start : start + _AT_ONCE])
            with torch.inference_mode():
                outputs = self._model(**{name: tensor.to(self._device) for name, tensor in batch.items()})
            answers += self._answers(outputs.logits.double().cpu().numpy(), top_k)
        return answers

    def _answers(self, logits: NDArray[np.float64], top_k: int | None) -> list[dict[str, Any]]:
        if self._problem == "regression":
            values = self._scale.back(logits).tolist()
            return [{"values": dict(zip(self.labels, row, strict=True))} for row in values]
        if self._problem == "multi-label":
            return [self._several(row, top_k) for row in sigmoid(logits)]
        return [self._single(row, top_k) for row in softmax(logits)]

    def _single(self, shares: NDArray[np.float64], top_k: int | None) -> dict[str, Any]:
        probabilities = self._likeliest(shares)
        return {"label": next(iter(probabilities)), "probabilities": dict(list(probabilities.items())[:top_k])}

    def _several(self, shares: NDArray[np.float64], top_k: int | None) -> dict[str, Any]:
        probabilities = self._likeliest(shares)
        called = {name for name, far in zip(self.labels, shares >= self._thresholds, strict=True) if far}
        return {
            "labels": [name for name in probabilities if name in called],
            "probabilities": dict(list(probabilities.items())[:top_k]),
        }

    def _likeliest(self, shares: NDArray[np.float64]) -> dict[str, float]:
        return {self.labels[place]: float(shares[place]) for place in np.argsort(-shares, kind="stable")}

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        raise WorkbenchError("a classifier generates no text", mend="give it texts to label")


def fields(config: Any, model_dir: Path) -> tuple[str, ...]:
    """`text`, and `text_pair` where the model has learnt pairs: its config says so, or the recipe it was made by."""
    made_by = recipe_of(model_dir)
    pairs = getattr(config, "text_pairs", False) or (made_by is not None and made_by.data.text_pair is not None)
    return ("text", "text_pair") if pairs else ("text",)


def scale_of(config: Any) -> Scale:
    """How the outputs of a regression are turned back; as they are for a model from elsewhere."""
    several = len(config.id2label)
    mean = getattr(config, "target_mean", None) or [0.0] * several
    return Scale(np.array(mean), np.array(getattr(config, "target_std", None) or [1.0] * several))
