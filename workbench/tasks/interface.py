"""What a task gives to whoever trains, evaluates and predicts with it.

A task is a `Task`: functions that keep nothing between calls. What they read of the rows, once, is `Prepared`, which
is handed on to the model, the collator, the loss and the evaluation.

torch and transformers are imported only inside functions here, so that a task can be asked about without waiting for
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.answers import Answer
from workbench.core.errors import BadInput
from workbench.recipe import Generate, Recipe
from workbench.recipe.schema import Problem
from workbench.tasks.shared.rows import FOR_THE_LOSS, Batch, Collator, TokenRows

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located

R = TypeVar("R", bound=Recipe)
Own = TypeVar("Own")
Outputs = TypeVar("Outputs")
Share = TypeVar("Share")


@dataclass(frozen=True)
class Prepared(Generic[R, Own]):
    """Rows made ready, by split, train first, and all that is known of them.

    `splits` are the rows as they were read, `own` is what the task alone knows, `labels` are the classes in id order
    (empty without classes). `counts` is what the `data` event says of each split, `notes` what the user should know.
    `problem` is what a label is, where the task knows several kinds: it decides which metrics there are.
    """

    recipe: R
    tokenizer: PreTrainedTokenizerBase
    splits: Splits
    rows: Mapping[str, TokenRows]
    own: Own
    max_length: int
    counts: Mapping[str, Mapping[str, object]]
    notes: Sequence[str]
    labels: Sequence[str] = ()
    problem: Problem | None = None

    @property
    def width(self) -> int | None:
        """The width that every batch has, where the recipe asks for a fixed one."""
        return self.max_length if self.recipe.train.padding == "max_length" else None


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found. Names in `scalars` carry no split; those in `undefined` have no value on this data.

    `report` are further fields of the `eval` event. `predictions` makes the table of the rows, where the task has one:
    it is called where the table is written, and does not travel to other processes.
    """

    scalars: dict[str, float]
    undefined: list[str] = field(default_factory=list)
    report: Mapping[str, object] = field(default_factory=dict)
    predictions: Callable[[], pa.Table] | None = None

    def __reduce__(self) -> tuple[type[EvaluationResult], tuple[object, ...]]:
        return EvaluationResult, (self.scalars, self.undefined, self.report)


class Evaluator(Protocol[Outputs, Share]):
    """Gathers what a model makes of one split, batch by batch, and measures it once.

    Rows here are those of `Prepared`: where a text is cut into windows, each window is one.
    """

    def ask(self, model: PreTrainedModel, batch: Batch) -> Outputs:
        """What the model makes of a batch that is on its device, `labels` and all. Runs without gradients."""

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Outputs) -> None:
        """Take what `ask` gave for these rows of the split. Must not wait for a GPU."""

    def part(self) -> Share:
        """What this process has gathered, in host memory, to be sent to the first."""

    def result(self, parts: Sequence[Share]) -> EvaluationResult:
        """What was found over all that the processes gathered."""


# (outputs, labels, num_items_in_batch, …) → the sum over the batch divided by the rows or tokens of the whole step.
# Called through `loss_of`, which gives what else of the batch is for it.
Loss = Callable[..., "torch.Tensor"]

# A text, or the fields of a row by name: what a predictor is asked about.
Asked = str | Mapping[str, object]


@runtime_checkable
class Predictor(Protocol):
    """A trained model, ready to be asked.

    `fields` are what a row needs, such as `("text",)` or `("question", "context")`; a bare string is the first.
    `generates` says whether `generate` gives text; every predictor answers `predict`. Many rows are answered in two
    steps, so that the tokenizer can work ahead of the model in a thread of its own.
    """

    task: str
    labels: list[str]
    generates: bool

    @property
    def fields(self) -> tuple[str, ...]: ...

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> Sequence[Answer]:
        """An answer to each row, with at most `top_k` labels, candidates or tokens.

        Raises BadInput for a row that lacks a field.
        """

    def encode(self, rows: Sequence[Asked]) -> Any:
        """The first half of `predict`: rows as tokens. Needs no device. Raises BadInput as `predict` does."""

    def answer(self, encoded: Any, top_k: int | None = None) -> Sequence[Answer]:
        """The second half of `predict`: the model's answers to what `encode` gave, in the order of the rows."""

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        """Pieces of text that go on from the prompt, as they come. Closing the iterator stops the work."""


class OpenPredictor(Protocol):
    """Opens a model directory: in eval mode, on the GPU where there is one."""

    def __call__(self, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> Predictor:
        """Rows of more than `max_length` tokens are cut, where the task cuts any. Raises ModelError."""


Baselines = Mapping[str, Mapping[str, float]]
"""What is reached without a model: figures by the bare names of metrics, of each way that has a name."""


def no_baselines(prepared: Prepared[Any, Any], split: str) -> Baselines:
    """Of a task that knows none."""
    return {}


def no_samples(prepared: Prepared[Any, Any], model: PreTrainedModel) -> Iterator[tuple[str, str]]:
    """Of a task that generates nothing."""
    return iter(())


def nothing_to_finish(
    prepared: Prepared[Any, Any], model: PreTrainedModel, weights: Mapping[str, torch.Tensor]
) -> str | None:
    """Of a task whose models answer as they were trained to."""
    return None


@dataclass(frozen=True)
class Task(Generic[R, Own]):
    """One task: the functions of its folder. None of them keeps anything from one call to the next.

    `tokenizer`: loaded or trained, of (recipe, splits, directories that relative paths may mean). Raises ModelError.
    `config`: the model's before anything is loaded, for its limits. Raises ModelError.
    `prepare`: rows as tokens, as a model of that config can take them. Raises DataError, BadInput.
    `model`: the model with its head, in fp32, and the names of the weights that are new. Raises ModelError.
    `collator`: makes batches for that model; `draws` says whether it draws random numbers.
    `loss`: what is minimised; None where the model computes it itself.
    `evaluator`: of a split.
    `baselines`: what is reached on a split without a model.
    `samples`: prompts and what the model makes of them.
    `finish`: what the trained model needs to answer alike in plain transformers; changes its config and, in place, its
    whole `weights` by name. Returns a sentence where something is left for the user to know.
    """

    tokenizer: Callable[[R, Splits, Sequence[Path]], PreTrainedTokenizerBase]
    config: Callable[[R, Located, PreTrainedTokenizerBase], PreTrainedConfig]
    prepare: Callable[[R, Splits, PreTrainedTokenizerBase, PreTrainedConfig], Prepared[R, Own]]
    model: Callable[[Prepared[R, Own], Located], tuple[PreTrainedModel, list[str]]]
    collator: Callable[[Prepared[R, Own], PreTrainedModel], Collator]
    loss: Callable[[Prepared[R, Own]], Loss | None]
    evaluator: Callable[[Prepared[R, Own], str], Evaluator[Any, Any]]
    predictor: OpenPredictor
    samples: Callable[[Prepared[R, Own], PreTrainedModel], Iterator[tuple[str, str]]] = no_samples
    finish: Callable[[Prepared[R, Own], PreTrainedModel, Mapping[str, torch.Tensor]], str | None] = nothing_to_finish
    baselines: Callable[[Prepared[R, Own], str], Baselines] = no_baselines
    draws: bool = False


def forward(model: Callable[..., Outputs], batch: Batch, **options: bool) -> Outputs:
    """The model's outputs for a batch, without its labels and whatever else is for the loss alone."""
    return model(**{name: tensor for name, tensor in batch.items() if name not in FOR_THE_LOSS}, **options)


def loss_of(loss: Loss, outputs: object, batch: Batch, num_items_in_batch: torch.Tensor | None = None) -> torch.Tensor:
    """A task's loss for a batch, given the fields that are for the loss alone."""
    fields = {name: batch[name] for name in FOR_THE_LOSS if name in batch}
    return loss(outputs, fields.pop("labels"), num_items_in_batch=num_items_in_batch, **fields)


def field_of(row: Asked, fields: Sequence[str]) -> tuple[str, ...]:
    """The fields of a row in their order. Raises BadInput for one that is missing."""
    if isinstance(row, str):
        row = {fields[0]: row}
    missing = [name for name in fields if name not in row]
    if missing:
        raise BadInput(f"a row lacks its {missing[0]}", hint=f"give {' and '.join(fields)}")
    return tuple(str(row[name]) for name in fields)
