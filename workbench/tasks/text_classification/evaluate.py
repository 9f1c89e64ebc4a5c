"""How text-classification is judged: logits are kept, and the measures taken once, over all rows of a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.data.tables import labels
from workbench.data.tables.targets import Scale
from workbench.tasks.interface import Prepared, Verdict, forward
from workbench.tasks.shared.rows import Batch
from workbench.tasks.text_classification.loss import Objective
from workbench.tasks.text_classification.spec import TextClassificationData

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.data.tables.splits import Splits

Logits = NDArray[np.float64]
Part = tuple[NDArray[np.int64], NDArray[np.float32]]
Columns = Callable[[], dict[str, Any]]  # columns of the rows' table, made when it is


@dataclass(frozen=True)
class Judged:
    """The rows of a split, and by what they are judged."""

    split: str
    splits: Splits
    prepared: Prepared
    objective: Objective
    data: TextClassificationData

    @property
    def truth(self) -> NDArray[Any]:
        """What is learnt of each row, [rows] or [rows, labels]."""
        found = self.prepared.splits[self.split].labels
        assert found is not None, "classification has labels"
        return found

    @property
    def names(self) -> list[str]:
        return self.prepared.labels

    def losses(self, logits: Logits) -> NDArray[np.float64]:
        """What is minimised, of each row."""
        import torch

        elements = self.objective.elements(torch.from_numpy(logits), torch.from_numpy(self.truth))
        found: NDArray[np.float64] = elements.reshape(len(logits), -1).mean(dim=1).numpy()
        return found

    def verdict(self, logits: Logits, result: dict[str, Any], columns: Columns, score: NDArray[Any]) -> Verdict:
        """What the metric `result` found, with the loss before it, and the rows' table with `columns` in it."""
        losses = self.losses(logits)
        scalars = {"loss": float(losses.mean())} | result["scalars"]
        table = partial(self._table, losses, columns, score)
        return Verdict(scalars, result["undefined"], result.get("report") or {}, table)

    def _table(self, losses: NDArray[np.float64], columns: Columns, score: NDArray[Any]) -> pa.Table:
        import pyarrow as pa

        return pa.table(
            {
                "row": pa.array(self.prepared.splits[self.split].source),
                "label": labels.names(self.splits, self.split, self.data),
                **columns(),
                "loss": pa.array(losses.astype(np.float32)),
                "score": pa.array(score.astype(np.float32)),
                "text": self.splits.texts(self.split),
            }
        )


class LogitsJudge:
    """Keeps the logits [rows, classes] of a split."""

    def __init__(self, judged: Judged) -> None:
        self._judged = judged
        self._rows: list[NDArray[np.int64]] = []
        self._logits: list[Any] = []

    def ask(self, model: Any, batch: Batch) -> Any:
        return forward(model, batch)

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Any) -> None:
        self._rows.append(rows)
        self._logits.append(outputs.logits.float())

    def part(self) -> Part:
        import torch

        if not self._rows:
            return np.zeros(0, np.int64), np.zeros((0, len(self._judged.names)), np.float32)
        return np.concatenate(self._rows), torch.cat(self._logits).cpu().numpy()

    def _together(self, parts: Sequence[Part]) -> Logits:
        logits = np.empty((len(self._judged.truth), len(self._judged.names)), np.float64)
        for places, part in parts:
            logits[places] = part
        return logits


class SingleJudge(LogitsJudge):
    """Of one label a row. A row's score is 1 where it is right."""

    def verdict(self, parts: Sequence[Part]) -> Verdict:
        from workbench.metrics.classification import SingleLabel

        judged, logits = self._judged, self._together(parts)
        shares, called = softmax(logits), logits.argmax(axis=1)
        result = SingleLabel(judged.names).compute(predictions=called, references=judged.truth, probabilities=shares)
        return judged.verdict(logits, result, partial(self._columns, shares, called), called == judged.truth)

    def _columns(self, shares: Logits, predicted: NDArray[np.int64]) -> dict[str, Any]:
        import pyarrow as pa

        return {
            "prediction": pa.array(self._judged.names, pa.string()).take(pa.array(predicted)),
            "probabilities": lists(shares),
        }


class SeveralJudge(LogitsJudge):
    """Of any number of labels a row. A row's score is the F1 of its labels, 1 where it has none and none is called.

    Thresholds are those of the model's config. Where the recipe asks for the best, those that are best on validation
    are found anew with each judgement and put there, so that they are saved with the weights they are best for.
    """

    def __init__(self, judged: Judged, thresholds: float | list[float] | Literal["best"]) -> None:
        super().__init__(judged)
        self._find = thresholds == "best" and judged.split == "validation"
        self._config: Any = None

    def ask(self, model: Any, batch: Batch) -> Any:
        self._config = model.config
        return super().ask(model, batch)

    def verdict(self, parts: Sequence[Part]) -> Verdict:
        from workbench.metrics.multilabel import MultiLabel, best_thresholds

        judged, logits = self._judged, self._together(parts)
        shares, truth = sigmoid(logits), judged.truth.astype(np.int64)
        if self._find:
            found = best_thresholds(probabilities=shares, references=truth)
            self._config.thresholds = [float(threshold) for threshold in found]
        thresholds = list(self._config.thresholds)
        result = MultiLabel(judged.names, thresholds).compute(probabilities=shares, references=truth)
        called = shares >= np.asarray(thresholds)
        columns = partial(self._columns, shares, called, truth > 0)
        return judged.verdict(logits, result, columns, row_f1(called, truth > 0))

    def _columns(self, shares: Logits, predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, Any]:
        return {
            # In the order of the ids, so that equal sets read alike.
            "label": readable(truth, self._judged.names),
            "prediction": readable(predicted, self._judged.names),
            "probabilities": lists(shares),
        }


class NumbersJudge(LogitsJudge):
    """Of targets, in the user's own units; the loss alone is on the scale they are learnt on.

    A row's score is 1 / (1 + its absolute error, in the mean over the targets).
    """

    def __init__(self, judged: Judged, scale: Scale) -> None:
        super().__init__(judged)
        self._scale = scale

    def verdict(self, parts: Sequence[Part]) -> Verdict:
        from workbench.data.tables import targets
        from workbench.metrics.regression import Regression

        judged, logits = self._judged, self._together(parts)
        values, truth = self._scale.back(logits), targets.numbers(judged.splits, judged.split)
        result = Regression(judged.names).compute(predictions=values, references=truth)
        columns = partial(self._columns, values, truth)
        return judged.verdict(logits, result, columns, 1 / (1 + np.abs(values - truth).mean(axis=1)))

    def _columns(self, values: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, Any]:
        import pyarrow as pa

        return {
            "prediction": pa.array([", ".join(f"{value:.6g}" for value in row) for row in values.tolist()]),
            "values": lists(values),
            "targets": lists(truth),
        }


def row_f1(called: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """F1 of the labels of each row, [rows]; 1 where there is none to find and none is called."""
    size = called.sum(axis=1) + truth.sum(axis=1)
    found: NDArray[np.float64] = np.where(size > 0, 2 * (called & truth).sum(axis=1) / np.maximum(size, 1), 1.0)
    return found


def readable(called: NDArray[np.bool_], names: Sequence[str]) -> Any:
    """The labels of each row as they are read, an Arrow column of strings."""
    import pyarrow as pa

    from workbench.data.tables.label_sets import Marks

    rows, ids = np.nonzero(called)
    return Marks(pa.chunked_array([pa.array(names, pa.string()).take(pa.array(ids))]), rows).readable(len(called))


def lists(values: NDArray[np.float64]) -> Any:
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
