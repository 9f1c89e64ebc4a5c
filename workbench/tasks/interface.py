"""What a task gives to whoever trains, evaluates and predicts with it.

torch and transformers are imported only inside functions here, so that a task can be asked about without waiting for
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.answers import Answer
from workbench.core.errors import BadInput
from workbench.recipe import Generate
from workbench.recipe.schema import Problem
from workbench.tasks.shared.rows import FOR_THE_LOSS, Batch, Collator, TokenRows

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located


@dataclass(frozen=True)
class Prepared:
    """Rows made ready: `splits` by name, train first; `labels` the classes in id order (empty without classes).

    `counts` is what the `data` event says of each split, `notes` what the user should know. `problem` is what a label
    is, where the task knows several kinds: it decides which metrics there are.
    """

    splits: dict[str, TokenRows]
    labels: list[str]
    max_length: int
    counts: dict[str, dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    problem: Problem | None = None


@dataclass(frozen=True)
class Verdict:
    """What an evaluation found. Names in `scalars` carry no split; those in `undefined` have no value on this data.

    `report` are further fields of the `eval` event. `predictions` makes the table of the rows, where the task has one:
    it is called where the table is written, and does not travel to other processes.
    """

    scalars: dict[str, float]
    undefined: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    predictions: Callable[[], pa.Table] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Verdict, (self.scalars, self.undefined, self.report)


class Judge(Protocol):
    """Gathers what a model says of one split, batch by batch, and judges it once.

    Rows here are those of `Prepared`: where a text is cut into windows, each window is one.
    """

    def ask(self, model: Any, batch: Batch) -> Any:
        """What the model says of a batch that is on its device, `labels` and all. Runs without gradients."""

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Any) -> None:
        """Take what `ask` gave for these rows of the split. Must not wait for a GPU."""

    def part(self) -> Any:
        """What this process has gathered, in host memory, to be sent to the first."""

    def verdict(self, parts: Sequence[Any]) -> Verdict:
        """The judgement over what all processes gathered."""


# (outputs, labels, num_items_in_batch, …) → the sum over the batch divided by the rows or tokens of the whole step.
# Called through `loss_of`, which gives what else of the batch is for it.
Loss = Callable[..., Any]


@runtime_checkable
class Task(Protocol):
    """One task, for one recipe."""

    name: str
    draws: bool  # whether the collator draws random numbers

    def tokenizer(self, splits: Splits, search: Sequence[Path]) -> Any:
        """The tokenizer, loaded or trained. Raises ModelError."""

    def prepare(self, splits: Splits, tokenizer: Any, longest: int | None) -> Prepared:
        """Rows as tokens. `longest` is what the model can take at once. Raises DataError, BadInput."""

    def model(self, located: Located, tokenizer: Any, prepared: Prepared) -> tuple[Any, list[str]]:
        """The model with its head, in fp32, and the names of the weights that are new. Raises ModelError."""

    def config(self, located: Located, tokenizer: Any) -> Any:
        """The model's config before anything is loaded, for its limits. Raises ModelError."""

    def collator(self, tokenizer: Any, prepared: Prepared) -> Collator: ...

    def loss(self) -> Loss | None:
        """What is minimised, where it is not what the model computes itself."""

    def judge(self, split: str, splits: Splits, prepared: Prepared) -> Judge: ...

    def samples(self, model: Any, tokenizer: Any) -> Iterator[tuple[str, str]]:
        """Prompts and what the model makes of them; nothing for a task that generates nothing."""


def forward(model: Any, batch: Batch, **options: Any) -> Any:
    """The model's outputs for a batch, without its labels and whatever else is for the loss alone."""
    return model(**{name: tensor for name, tensor in batch.items() if name not in FOR_THE_LOSS}, **options)


def loss_of(loss: Loss, outputs: Any, batch: Batch, num_items_in_batch: Any = None) -> Any:
    """A task's loss for a batch, given the fields that are for the loss alone."""
    fields = {name: batch[name] for name in FOR_THE_LOSS if name in batch}
    return loss(outputs, fields.pop("labels"), num_items_in_batch=num_items_in_batch, **fields)


# What a predictor is asked about: a text, or the fields of a row by name.
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
    fields: tuple[str, ...]
    generates: bool

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


def field_of(row: Asked, fields: Sequence[str]) -> tuple[str, ...]:
    """The fields of a row in their order. Raises BadInput for one that is missing."""
    if isinstance(row, str):
        row = {fields[0]: row}
    missing = [name for name in fields if name not in row]
    if missing:
        raise BadInput(f"a row lacks its {missing[0]}", hint=f"give {' and '.join(fields)}")
    return tuple(str(row[name]) for name in fields)
