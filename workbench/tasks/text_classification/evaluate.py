"""How text-classification is evaluated: logits are kept, and the metrics computed once, over all rows of a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.data.tables import labels
from workbench.data.tables.targets import Scale
from workbench.tasks.interface import EvaluationResult, Evaluator, forward
from workbench.tasks.shared.rows import Batch
from workbench.tasks.shared.token_loss import HasLogits
from workbench.tasks.text_classification.data import PreparedTexts
from workbench.tasks.text_classification.loss import Labels

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

    from workbench.metrics.base import Measured

Logits = NDArray[np.float64]
PlacedLogits = tuple[NDArray[np.int64], NDArray[np.float32]]  # the numbers of rows, and their logits
Columns = Callable[[], dict[str, "pa.Array"]]  # columns of the rows' table, made when it is


def evaluator(prepared: PreparedTexts, split: str) -> Evaluator[HasLogits, PlacedLogits]:
    rows = LabelledRows(prepared, split)
    if prepared.own.scale is not None:
        return RegressionEvaluator(rows, prepared.own.scale)
    if prepared.own.problem == "multi-label":
        return MultiLabelEvaluator(rows, prepared.recipe.evaluate.thresholds)
    return SingleLabelEvaluator(rows)


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a split, and what is known of them."""

    prepared: PreparedTexts
    split: str

    @property
    def truth(self) -> Labels:
        """The label of each row, [rows] or [rows, labels]."""
        found = self.prepared.rows[self.split].labels
        assert found is not None, "classification has labels"
        return found

    @property
    def names(self) -> Sequence[str]:
        return self.prepared.labels

    def losses(self, logits: Logits) -> NDArray[np.float64]:
        """What is minimised, of each row."""
        import torch

        elements = self.prepared.own.objective.elements(torch.from_numpy(logits), torch.from_numpy(self.truth))
        found: NDArray[np.float64] = elements.reshape(len(logits), -1).mean(dim=1).numpy()
        return found

    def result(
        self, logits: Logits, measured: Measured, columns: Columns, score: NDArray[np.float64] | NDArray[np.bool_]
    ) -> EvaluationResult:
        """What was measured, with the loss before it, and the rows' table with `columns` in it."""
        from workbench.metrics.base import with_loss

        losses = self.losses(logits)
        whole = with_loss(measured, float(losses.mean()), np.stack([losses, np.ones(len(losses))], axis=1))
        return EvaluationResult(**whole, predictions=partial(self._table, losses, columns, score))

    def _table(
        self, losses: NDArray[np.float64], columns: Columns, score: NDArray[np.float64] | NDArray[np.bool_]
    ) -> pa.Table:
        import pyarrow as pa

        splits = self.prepared.splits
        return pa.table(
            {
                "row": pa.array(self.prepared.rows[self.split].source),
                "label": labels.names(splits, self.split, self.prepared.recipe.data),
                **columns(),
                "loss": pa.array(losses.astype(np.float32)),
                "score": pa.array(score.astype(np.float32)),
                "text": splits.texts(self.split),
                **self._pair(),
            }
        )

    def _pair(self) -> dict[str, pa.ChunkedArray]:
        """The two texts of a pair, each in a column of its own."""
        splits = self.prepared.splits
        if splits.columns.of("text_pair") is None:
            return {}
        return {"first_text": splits.texts(self.split, "text"), "second_text": splits.texts(self.split, "text_pair")}


class LogitsEvaluator:
    """Keeps the logits [rows, classes] of a split."""

    def __init__(self, of: LabelledRows) -> None:
        self._of = of
        self._rows: list[NDArray[np.int64]] = []
        self._logits: list[torch.Tensor] = []

    def ask(self, model: PreTrainedModel, batch: Batch) -> HasLogits:
        outputs: HasLogits = forward(model, batch)
        return outputs

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: HasLogits) -> None:
        self._rows.append(rows)
        self._logits.append(outputs.logits.float())

    def part(self) -> PlacedLogits:
        import torch

        if not self._rows:
            return np.zeros(0, np.int64), np.zeros((0, len(self._of.names)), np.float32)
        return np.concatenate(self._rows), torch.cat(self._logits).cpu().numpy()

    def _together(self, parts: Sequence[PlacedLogits]) -> Logits:
        logits = np.empty((len(self._of.truth), len(self._of.names)), np.float64)
        for places, part in parts:
            logits[places] = part
        return logits


class SingleLabelEvaluator(LogitsEvaluator):
    """Of one label a row. A row's score is 1 where it is right."""

    def result(self, parts: Sequence[PlacedLogits]) -> EvaluationResult:
        from workbench.metrics.classification import SingleLabel

        of, logits = self._of, self._together(parts)
        shares, predicted = softmax(logits), logits.argmax(axis=1)
        measured: Measured = SingleLabel(list(of.names)).compute(
            predictions=predicted, references=of.truth, probabilities=shares
        )
        return of.result(logits, measured, partial(self._columns, shares, predicted), predicted == of.truth)

    def _columns(self, shares: Logits, predicted: NDArray[np.int64]) -> dict[str, pa.Array]:
        import pyarrow as pa

        return {
            "prediction": pa.array(self._of.names, pa.string()).take(pa.array(predicted)),
            "probabilities": lists(shares),
        }


class MultiLabelEvaluator(LogitsEvaluator):
    """Of any number of labels a row. A row's score is the F1 of its labels, 1 where it has none and none is predicted.

    Thresholds are those of the model's config. Where the recipe asks for the best, those that are best on validation
    are found anew with each evaluation and put there, so that they are saved with the weights they are best for.
    """

    def __init__(self, of: LabelledRows, thresholds: float | list[float] | Literal["best"]) -> None:
        super().__init__(of)
        self._find = thresholds == "best" and of.split == "validation"
        self._config: PreTrainedConfig | None = None

    def ask(self, model: PreTrainedModel, batch: Batch) -> HasLogits:
        self._config = model.config
        return super().ask(model, batch)

    def result(self, parts: Sequence[PlacedLogits]) -> EvaluationResult:
        from workbench.metrics.multilabel import MultiLabel, best_thresholds

        of, logits = self._of, self._together(parts)
        shares, truth = sigmoid(logits), of.truth.astype(np.int64)
        assert self._config is not None, "the model was asked before there is a result"
        if self._find:
            found = best_thresholds(probabilities=shares, references=truth)
            self._config.thresholds = [float(threshold) for threshold in found]
        thresholds = list(self._config.thresholds)
        measured: Measured = MultiLabel(list(of.names), thresholds).compute(probabilities=shares, references=truth)
        predicted = shares >= np.asarray(thresholds)
        columns = partial(self._columns, shares, predicted, truth > 0)
        return of.result(logits, measured, columns, row_f1(predicted, truth > 0))

    def _columns(self, shares: Logits, predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, pa.Array]:
        return {
            # In the order of the ids, so that equal sets read alike.
            "label": readable(truth, self._of.names),
            "prediction": readable(predicted, self._of.names),
            "probabilities": lists(shares),
        }


class RegressionEvaluator(LogitsEvaluator):
    """Of targets, in the user's own units; the loss alone is on the scale of training.

    A row's score is 1 / (1 + its absolute error, in the mean over the targets).
    """

    def __init__(self, of: LabelledRows, scale: Scale) -> None:
        super().__init__(of)
        self._scale = scale

    def result(self, parts: Sequence[PlacedLogits]) -> EvaluationResult:
        from workbench.data.tables import targets
        from workbench.metrics.regression import Regression

        of, logits = self._of, self._together(parts)
        values, truth = self._scale.back(logits), targets.numbers(of.prepared.splits, of.split)
        measured: Measured = Regression(list(of.names)).compute(predictions=values, references=truth)
        columns = partial(self._columns, values, truth)
        return of.result(logits, measured, columns, 1 / (1 + np.abs(values - truth).mean(axis=1)))

    def _columns(self, values: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, pa.Array]:
        import pyarrow as pa

        return {
            "prediction": pa.array([", ".join(f"{value:.6g}" for value in row) for row in values.tolist()]),
            "values": lists(values),
            "targets": lists(truth),
            # Of one target, also without a list around it.
            **({"value": pa.array(values[:, 0]), "target": pa.array(truth[:, 0])} if values.shape[1] == 1 else {}),
        }


def row_f1(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """F1 of the labels of each row, [rows]; 1 where there is none to find and none is predicted."""
    size = predicted.sum(axis=1) + truth.sum(axis=1)
    found: NDArray[np.float64] = np.where(size > 0, 2 * (predicted & truth).sum(axis=1) / np.maximum(size, 1), 1.0)
    return found


def readable(marked: NDArray[np.bool_], names: Sequence[str]) -> pa.Array:
    """The labels of each row as they are read, an Arrow column of strings."""
    import pyarrow as pa

    from workbench.data.tables.label_sets import Marks

    rows, ids = np.nonzero(marked)
    return Marks(pa.chunked_array([pa.array(names, pa.string()).take(pa.array(ids))]), rows).readable(len(marked))


def lists(values: NDArray[np.float64]) -> pa.Array:
    """[rows, several] as an Arrow column of lists of float32."""
    import pyarrow as pa

    steps = pa.array(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1])
    return pa.ListArray.from_arrays(steps, pa.array(values.astype(np.float32).ravel()))


def softmax(logits: Logits) -> Logits:
    """Shares [rows, classes] that sum to 1 in each row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Logits = np.exp(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
    return result


def sigmoid(logits: Logits) -> Logits:
    """The probability of each label by itself."""
    result: Logits = np.exp(-np.logaddexp(0.0, -logits))
    return result
