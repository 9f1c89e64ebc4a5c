"""text-classification: one label a text.

Rows need a text and a label. The head is transformers' `…ForSequenceClassification`, its loss cross entropy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput, WorkbenchError
from workbench.recipe import Generate, Recipe
from workbench.tasks import Asked, Judge, Loss, Prepared, Verdict, field_of, forward, weights
from workbench.tasks.encoding import encode
from workbench.tasks.rows import Batch, Collator, Padding, TokenRows

if TYPE_CHECKING:
    from workbench.data.splits import Splits
    from workbench.models import Located

DEFAULT_LENGTH: Final = 512
_AT_ONCE: Final = 32


class TextClassification:
    """The task, for one recipe."""

    name = "text-classification"
    draws = False

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def tokenizer(self, splits: Splits, search: Sequence[Path]) -> Any:
        texts = (str(text) for text in splits.texts("train"))
        return weights.load_tokenizer(self.recipe.model, search, texts)

    def config(self, located: Located, tokenizer: Any) -> Any:
        return weights.read_config(self.recipe.model, located, _vocabulary(located, tokenizer))

    def prepare(self, splits: Splits, tokenizer: Any, longest: int | None) -> Prepared:
        from workbench.data import labels

        length = self._length(longest)
        classes = labels.classes(splits, self.recipe.data)
        ready, counts = {}, {}
        for name, table in splits.tables().items():
            rows, truncated = encode(tokenizer, splits.texts(name), length)
            ids = labels.encode(splits, name, classes, self.recipe.data)
            ready[name] = TokenRows.pack(rows, np.asarray(table.column("__row__")), ids)
            counts[name] = {
                "rows": len(rows),
                "dropped": splits.dropped.get(name, 0),
                "truncated": truncated,
                "tokens": ready[name].tokens,
                "labels": dict(zip(classes, np.bincount(ids, minlength=len(classes)).tolist(), strict=True)),
            }
        return Prepared(ready, classes, length, counts, list(splits.notes))

    def _length(self, longest: int | None) -> int:
        asked = self.recipe.data.max_length
        if asked is None:
            return min(longest or DEFAULT_LENGTH, DEFAULT_LENGTH)
        if longest is not None and asked > longest:
            raise BadInput(
                f"{asked} tokens are more than the model's {longest} positions",
                where="data.max_length",
                mend=f"use {longest} or less",
            )
        return asked

    def model(self, located: Located, tokenizer: Any, prepared: Prepared) -> tuple[Any, list[str]]:
        from transformers import AutoModelForSequenceClassification

        names = dict(enumerate(prepared.labels))
        config = {
            "num_labels": len(names),
            "id2label": names,
            "label2id": {label: place for place, label in names.items()},
            "problem_type": "single_label_classification",
        }
        config |= _vocabulary(located, tokenizer)
        model, new = weights.load_model(AutoModelForSequenceClassification, self.recipe.model, located, config)
        model.config.pad_token_id = tokenizer.pad_token_id
        return model, new

    def collator(self, tokenizer: Any, prepared: Prepared) -> Collator:
        fixed = prepared.max_length if self.recipe.train.padding == "max_length" else None
        return Padding(tokenizer.pad_token_id, tokenizer.padding_side, fixed)

    def loss(self) -> Loss:
        return step_loss

    def judge(self, split: str, splits: Splits, prepared: Prepared) -> Judge:
        return ClassificationJudge(split, splits, prepared)

    def samples(self, model: Any, tokenizer: Any) -> Iterator[tuple[str, str]]:
        return iter(())

    @classmethod
    def load(cls, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> TextClassifier:
        return TextClassifier(model_dir, device=device, max_length=max_length)


def _vocabulary(located: Located, tokenizer: Any) -> dict[str, Any]:
    """What a config from scratch must know of the tokenizer; weights that are loaded bring their own."""
    if located.kind != "scratch":
        return {}
    return {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}


def step_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Cross entropy in nats, summed over the batch and divided by the rows of the optimizer step.

    The models' own loss is the mean of the batch, which Trainer then adds up over an accumulated step: with
    accumulation the gradient would be so many times too long.
    """
    import torch

    total = torch.nn.functional.cross_entropy(outputs.logits.float(), labels, reduction="sum")
    return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)


class ClassificationJudge:
    """Keeps the logits [rows, classes] of a split; the measures are taken once, over all of them."""

    def __init__(self, split: str, splits: Splits, prepared: Prepared) -> None:
        self._split, self._splits, self._prepared = split, splits, prepared
        self._rows: list[NDArray[np.int64]] = []
        self._logits: list[Any] = []

    def ask(self, model: Any, batch: Batch) -> Any:
        return forward(model, batch)

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Any) -> None:
        self._rows.append(rows)
        self._logits.append(outputs.logits.float())

    def part(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        import torch

        if not self._rows:
            return np.zeros(0, np.int64), np.zeros((0, len(self._prepared.labels)), np.float32)
        return np.concatenate(self._rows), torch.cat(self._logits).cpu().numpy()

    def verdict(self, parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]]) -> Verdict:
        from workbench.train.metrics.classification import SingleLabel

        rows = self._prepared.splits[self._split]
        assert rows.labels is not None, "classification has labels"
        logits = np.empty((len(rows), len(self._prepared.labels)), np.float64)
        for places, part in parts:
            logits[places] = part
        shares = softmax(logits)
        called = logits.argmax(axis=1)
        losses = -_log_softmax(logits)[np.arange(len(rows)), rows.labels]
        result = SingleLabel(self._prepared.labels).compute(
            predictions=called, references=rows.labels, probabilities=shares
        )
        scalars = {"loss": float(losses.mean())} | result["scalars"]
        return Verdict(scalars, result["undefined"], result["report"], self._table(called, shares, losses))

    def _table(self, called: NDArray[np.int64], shares: NDArray[np.float64], losses: NDArray[np.float64]) -> Any:
        import pyarrow as pa

        rows = self._prepared.splits[self._split]
        names = pa.array(self._prepared.labels, pa.string())
        flat = pa.array(shares.astype(np.float32).ravel())
        steps = pa.array(np.arange(len(shares) + 1, dtype=np.int32) * shares.shape[1])
        return pa.table(
            {
                "row": pa.array(rows.source),
                "label": names.take(pa.array(rows.labels)),
                "prediction": names.take(pa.array(called)),
                "probabilities": pa.ListArray.from_arrays(steps, flat),
                "loss": pa.array(losses.astype(np.float32)),
                "text": self._splits.texts(self._split),
            }
        )


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares [rows, classes] that sum to 1 in each row."""
    result: NDArray[np.float64] = np.exp(_log_softmax(logits))
    return result


class TextClassifier:
    """A trained classifier: texts in, labels with their probabilities out."""

    task = "text-classification"
    fields = ("text",)
    generates = False

    def __init__(self, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> None:
        from transformers import AutoModelForSequenceClassification

        self._tokenizer = weights.open_tokenizer(model_dir)
        self._model, self._device = weights.open_model(AutoModelForSequenceClassification, model_dir, device)
        limit = weights.longest(self._model.config, self._tokenizer) or DEFAULT_LENGTH
        self.max_length = min(max_length or DEFAULT_LENGTH, limit)
        names = self._model.config.id2label
        self.labels = [str(names[place]) for place in sorted(names)]

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[dict[str, Any]]:
        import torch

        texts = [field_of(row, self.fields)[0] for row in rows]
        encoded, _ = encode(self._tokenizer, texts, self.max_length)
        pad = Padding(self._tokenizer.pad_token_id, self._tokenizer.padding_side)
        answers = []
        for start in range(0, len(encoded), _AT_ONCE):
            batch = pad([{"input_ids": row} for row in encoded[start : start + _AT_ONCE]])
            with torch.inference_mode():
                outputs = self._model(**{name: tensor.to(self._device) for name, tensor in batch.items()})
            answers += [self._answer(row, top_k) for row in softmax(outputs.logits.double().cpu().numpy())]
        return answers

    def _answer(self, shares: NDArray[np.float64], top_k: int | None) -> dict[str, Any]:
        order = np.argsort(-shares, kind="stable")[:top_k]
        return {
            "label": self.labels[int(order[0])],
            "probabilities": {self.labels[place]: float(shares[place]) for place in order},
        }

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        raise WorkbenchError("a classifier generates no text", mend="give it texts to label")
