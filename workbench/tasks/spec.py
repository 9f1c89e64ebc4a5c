"""A task as plain data, and where to find each: every list of tasks elsewhere is a view of these.

A task is a folder of files that read alike: `spec`, `data` (rows to tokens and batches), `model`, `loss`, `evaluate`,
`predict`, put together in `task`. Its `spec` holds `SPEC`, a `TaskSpec`: one of those beside this file, or one of
another package that names it as an entry point of the group `workbench.tasks`. A spec imports nothing heavy; the code
of the task is loaded when it is first used.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.core.errors import BadInput
from workbench.data.tables.roles import Shape
from workbench.metrics.catalog import Metric
from workbench.models.architectures import Head
from workbench.models.positions import Limits
from workbench.recipe import Recipe

if TYPE_CHECKING:
    from workbench.tasks.interface import Predictor, Task

GROUP: Final = "workbench.tasks"
_OWN: Final = ("text_classification", "token_classification", "question_answering", "seq2seq", "causal_lm", "masked_lm")


@dataclass(frozen=True)
class Length:
    """A field of `[data]` that says after how many tokens something is cut.

    `role` is what of a row is cut, all that is read of it where that is None; `usual` is the length where the recipe
    gives none and the model can take as much.
    """

    field: str = "max_length"
    role: str | None = None
    usual: int = 512

    def chosen(self, asked: int | None, limits: Limits, more: str = "") -> int:
        """The length asked for, else the usual one within the limits.

        Raises BadInput for more than the model's positions; `more` goes on with the hint.
        """
        if asked is None:
            return limits.usual(self.usual)
        if limits.positions is not None and asked > limits.positions:
            raise BadInput(
                f"{asked} tokens are more than the model's {limits.positions} positions",
                where=f"data.{self.field}",
                hint=f"use {limits.positions} or less{more}",
            )
        return asked

    def fitting(self, asked: int | None, limits: Limits) -> int:
        """As `chosen`, and cut to the model's positions instead of refused."""
        chosen = asked or limits.usual(self.usual)
        return chosen if limits.positions is None else min(chosen, limits.positions)


@dataclass(frozen=True)
class TaskSpec:
    """A task: its recipe, its rows, its model, what it is asked, its metrics, and where its code is.

    `shapes` are the kinds of rows it takes, the most telling first. `peft_type` is peft's name for it, None where peft
    has none; `new_head` says that the head is trained with adapters, being new. `asks` are the fields of a row that a
    trained model is asked about, `may_ask` those that some models take besides. `generates` says that text can be
    generated from a prompt, `answers` that rows can be answered. `one_to_one`: a row of the data is a row of training.
    `needs_padding` says why its batches cannot be computed without padding, where they cannot. `metrics` are those that
    are not in workbench's own catalog, the one that chooses the checkpoint first.

    `pipeline` is transformers' name of the pipeline for such a model, None where there is none.

    `code` is `module:name` of its `Task`. `choices` is `module:function` of what of a recipe makes no sense together:
    (recipe, splits or None) → sentences. `row_texts` is `module:class` of what the Tokens pane shows of a row, where
    that is more than the texts that are read (`workbench.tasks.shared.row_texts`).
    """

    name: str
    recipe: type[Recipe]
    shapes: tuple[Shape, ...]
    head: Head
    peft_type: str | None
    asks: tuple[str, ...]
    code: str
    may_ask: tuple[str, ...] = ()
    lengths: tuple[Length, ...] = (Length(),)
    new_head: bool = False
    generates: bool = False
    answers: bool = True
    one_to_one: bool = True
    needs_padding: str | None = None
    metrics: tuple[Metric, ...] = ()
    choices: str | None = None
    pipeline: str | None = None
    row_texts: str = "workbench.tasks.shared.row_texts:RowTexts"

    @property
    def cuts(self) -> bool:
        """Whether what a trained model is asked is cut to the length it was trained with."""
        return self.answers and self.lengths[0].field == "max_length"

    def asked(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields a model is asked about, where `data` is the `[data]` of the recipe it was made by."""
        return (*self.asks, *(field for field in self.may_ask if data.get(field)))


@functools.cache
def specs() -> Mapping[str, TaskSpec]:
    """Every task by name: those of workbench first. Raises BadInput for an entry point that gives none."""
    found = [importlib.import_module(f"workbench.tasks.{folder}.spec").SPEC for folder in _OWN]
    return {spec.name: spec for spec in [*found, *_from_elsewhere()]}


def _from_elsewhere() -> list[TaskSpec]:
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        spec = entry.load()
        if not isinstance(spec, TaskSpec):
            raise BadInput(
                f"{entry.value} is no TaskSpec", where=f"entry point {entry.name}", hint="name the spec of a task"
            )
        found.append(spec)
    return found


def spec_of(task: str) -> TaskSpec:
    """Raises BadInput for a task that is not there."""
    there = specs()
    if task not in there:
        raise BadInput(f"no task {task!r}", where="task", hint=f"use one of {', '.join(there)}")
    return there[task]


def asked_fields(task: str, data: Mapping[str, Any]) -> tuple[str, ...]:
    """As `TaskSpec.asked`; one text for a task that is not installed here, whose runs can be looked at all the same."""
    return specs()[task].asked(data) if task in specs() else ("text",)


def load(reference: str) -> Any:
    """What `module:name` refers to."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def task_of(task: str) -> Task[Any, Any]:
    """The code of a task. Raises BadInput for one that is not there."""
    found: Task[Any, Any] = load(spec_of(task).code)
    return found


def predictor(task: str, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> Predictor:
    """A model directory opened for use: in eval mode, on the GPU where there is one. Raises ModelError."""
    return task_of(task).predictor(model_dir, device=device, max_length=max_length)
