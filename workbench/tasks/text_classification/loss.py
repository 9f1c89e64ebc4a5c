"""What text-classification minimises: cross entropy, its focal form, and squared error.

Each loss gives its elements: [rows] for one label a row, else [rows, labels] or [rows, targets]. A step is their sum
divided by how many there are in the whole optimizer step, over all its batches and processes: the gradient is that of
the mean, however the step is cut into batches. Weights of classes are factors of the elements and no part of the
divisor, unlike in torch's `reduction="mean"`, which divides by the weights of the batch: that is another gradient for
each way to cut. "balanced" weights are 1 in the mean over train, so that the scale of the loss stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.recipe.schema import Problem
from workbench.tasks.shared.token_loss import HasLogits
from workbench.tasks.text_classification.spec import TextClassificationTrain

if TYPE_CHECKING:
    import torch

    from workbench.tasks.text_classification.data import PreparedTexts

Weights = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float32]


class Objective(Protocol):
    """Differentiable, in any precision of the logits; in nats, or squared deviations. `weights` are of classes."""

    @property
    def weights(self) -> Weights | None: ...

    def elements(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """What each label adds to the loss, a tensor of the labels' shape. `logits` are [rows, classes]."""


@dataclass(frozen=True)
class StepLoss:
    """An objective as Trainer asks for it."""

    objective: Objective

    def __call__(
        self, outputs: HasLogits, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The sum over the batch by the labels of the step, which Trainer counts; by those of the batch if it cannot.

        The models' own loss is the mean of the batch, which Trainer then adds up over an accumulated step: with
        accumulation the gradient would be so many times too long.
        """
        total = self.objective.elements(outputs.logits.float(), labels).sum()
        return total / (labels.numel() if num_items_in_batch is None else num_items_in_batch)


class DeviceWeights:
    """The weights of the classes as tensors, copied once to each device."""

    def __init__(self) -> None:
        self._made: dict[tuple[torch.device, torch.dtype], torch.Tensor] = {}

    def like(self, logits: torch.Tensor, weights: Weights | None) -> torch.Tensor | None:
        """In the precision and on the device of the logits; None without weights."""
        import torch

        if weights is None:
            return None
        place = (logits.device, logits.dtype)
        if place not in self._made:
            tensor = torch.as_tensor(weights, dtype=logits.dtype)
            self._made[place] = tensor.to(logits.device, non_blocking=True)
        return self._made[place]


@dataclass(frozen=True)
class CrossEntropy:
    """For one label a row, int64 [rows], as torch's: `weights` [classes], `smoothing` after Szegedy et al. 2016.

    With `gamma` it is the focal loss of Lin et al. 2017, equation 5: (1 − p)^γ · −log p of the true class.
    """

    weights: Weights | None = None
    smoothing: float = 0.0
    gamma: float | None = None
    copies: DeviceWeights = field(default_factory=DeviceWeights, init=False, repr=False, compare=False)

    def elements(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        import torch

        weights = self.copies.like(logits, self.weights)
        plain = torch.nn.functional.cross_entropy(
            logits, labels, weight=weights, label_smoothing=self.smoothing, reduction="none"
        )
        if self.gamma is None:
            return plain
        chosen = torch.log_softmax(logits, dim=-1).gather(1, labels[:, None])[:, 0]
        return _unsure(chosen, self.gamma) * plain


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """For any number of labels a row, 0 or 1, float [rows, labels]. `weights` [labels] are those of a label that is
    there, as torch's `pos_weight`; `smoothing` draws each towards one half, as Keras does.

    With `gamma` it is the focal loss of each label, whether there or not.
    """

    weights: Weights | None = None
    smoothing: float = 0.0
    gamma: float | None = None
    copies: DeviceWeights = field(default_factory=DeviceWeights, init=False, repr=False, compare=False)

    def elements(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        import torch

        labels = labels.to(logits.dtype)
        plain = torch.nn.functional.binary_cross_entropy_with_logits(
            logits,
            labels * (1 - self.smoothing) + self.smoothing / 2,
            pos_weight=self.copies.like(logits, self.weights),
            reduction="none",
        )
        if self.gamma is None:
            return plain
        return _unsure(torch.nn.functional.logsigmoid(torch.where(labels > 0, logits, -logits)), self.gamma) * plain


@dataclass(frozen=True)
class SquaredError:
    """For numbers on the scale of training, [rows, targets]."""

    weights: None = field(default=None, init=False)

    def elements(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (logits - labels.to(logits.dtype)) ** 2


def _unsure(logarithm: torch.Tensor, gamma: float) -> torch.Tensor:
    """(1 − p)^γ from log p. Never quite 0: there the slope of a power below 1 is infinite."""
    import torch

    return (-torch.expm1(logarithm)).clamp_min(torch.finfo(logarithm.dtype).tiny) ** gamma


def loss(prepared: PreparedTexts) -> StepLoss:
    return StepLoss(prepared.own.objective)


def objective_for(kind: Problem, train: TextClassificationTrain, labels: Labels, names: list[str]) -> Objective:
    """What a recipe minimises for this kind of label; `labels` are those of train, as `data.tables.labels` has them."""
    if kind == "regression":
        return SquaredError()
    return single(train, labels, names) if kind == "single-label" else several(train, labels, names)


def single(train: TextClassificationTrain, labels: Labels, names: list[str]) -> CrossEntropy:
    """The loss of a recipe for one label a row; `labels` [rows] are those of train."""
    counts = np.bincount(labels, minlength=len(names))
    return CrossEntropy(_weights(train, balanced(counts), names), float(train.label_smoothing), _gamma(train))


def several(train: TextClassificationTrain, labels: Labels, names: list[str]) -> BinaryCrossEntropy:
    """The same for any number of labels a row, [rows, labels]."""
    weights = _weights(train, balanced_positives(labels.sum(axis=0, dtype=np.int64), len(labels)), names)
    return BinaryCrossEntropy(weights, float(train.label_smoothing), _gamma(train))


def _gamma(train: TextClassificationTrain) -> float | None:
    return float(train.focal_gamma) if train.loss == "focal" else None


def _weights(train: TextClassificationTrain, balance: Weights, names: list[str]) -> Weights | None:
    asked = train.class_weights
    if not isinstance(asked, dict):
        return None if asked is None else balance
    return np.array([asked.get(name, 1.0) for name in names], np.float64)


def balanced(counts: NDArray[np.int64]) -> Weights:
    """rows / (classes · rows of the class), as scikit-learn's `class_weight="balanced"`; 1 for a class without rows."""
    there = counts > 0
    weights: Weights = np.where(there, counts.sum() / (there.sum() * np.maximum(counts, 1)), 1.0)
    return weights


def balanced_positives(counts: NDArray[np.int64], rows: int) -> Weights:
    """rows without a label / rows with it: the same formula for its two classes, the weight of its absence being 1.

    1 for a label that no row has, or every row: there is nothing to balance.
    """
    weights: Weights = np.where((counts > 0) & (counts < rows), (rows - counts) / np.maximum(counts, 1), 1.0)
    return weights
