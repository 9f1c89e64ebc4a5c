"""From an experiment to rows as tokens: all that training does before it loads a model, and what a check tries."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.data.cache import token_entry
from workbench.data.report import row_report
from workbench.data.tables.splits import Splits
from workbench.metrics import catalog
from workbench.recipe import Recipe
from workbench.recipe.schema import Problem
from workbench.tasks.experiment import Experiment
from workbench.tasks.interface import Prepared
from workbench.tasks.spec import spec_of, task_of
from workbench.train import model_notes
from workbench.train.best import Rule

if TYPE_CHECKING:
    from workbench.models.locate import Located


def prepare(experiment: Experiment, splits: Splits, trained: Path | None = None) -> tuple[Prepared[Any, Any], Rule]:
    """The rows, and what chooses the checkpoint now that the kind of label is known. Raises WorkbenchError.

    `trained` is a directory with the tokenizer that was trained on these rows before.
    """
    from workbench.models import vocabulary
    from workbench.models.weights import open_tokenizer

    recipe = experiment.recipe
    task = task_of(recipe.task)
    tokenizer = task.tokenizer(recipe, splits, experiment.search) if trained is None else open_tokenizer(trained)
    config = task.config(recipe, experiment.model, tokenizer)
    prepared = task.prepare(recipe, splits, tokenizer, config)
    largest = max(_largest_id(prepared), tokenizer.pad_token_id or 0)
    whole = recipe.train.method == "full"
    vocabulary.check(recipe.model, experiment.model, config, tokenizer, largest=largest, whole=whole)
    return prepared, rule_of(recipe, prepared.problem)


def _largest_id(prepared: Prepared[Any, Any]) -> int:
    sides = (side for rows in prepared.rows.values() for side in (rows, rows.targets) if side is not None)
    return max(int(side.ids.max(initial=0)) for side in sides)


def rule_of(recipe: Recipe, problem: Problem | None = None) -> Rule:
    """What chooses the checkpoint. Raises BadInput for a metric that the task does not have.

    `problem` is what a label is: known once the rows are read, and then there are fewer metrics.
    """
    asked, own = recipe.evaluate, spec_of(recipe.task).metrics
    for name in asked.metrics or []:
        catalog.asked_for(recipe.task, name, where="evaluate.metrics", kind=problem, own=own)
    if asked.every == "never":
        return Rule(None, "min")
    metric, direction = catalog.chooses(recipe.task, asked.best, asked.direction, problem, own)
    train = recipe.train
    return Rule(metric.name, direction, train.early_stopping_patience, train.early_stopping_threshold)


def can_be_tried(experiment: Experiment) -> bool:
    """Whether rows can be prepared before a run is made: nothing is downloaded for it, and no foreign code is run."""
    kinds = {located.kind for located in (experiment.model, experiment.tokenizer) if located is not None}
    return "download" not in kinds and not experiment.recipe.model.trust_remote_code


def tried_before(experiment: Experiment, splits: Splits) -> list[str] | None:
    """What was noted of the model when these rows were prepared in this way, as a mark in the cache says."""
    mark = None if splits.cache is None else splits.cache.find(_key(experiment, splits))
    return None if mark is None else list(json.loads(mark["notes"].tobytes()))


def try_out(experiment: Experiment, splits: Splits) -> list[str]:
    """Prepare the rows, and leave a mark in the cache. What is made stays there for the run. Raises WorkbenchError.

    Returns what is to be noted of the model.
    """
    notes = model_notes.notes(experiment, prepare(experiment, splits)[0])
    if splits.cache is not None:
        about = {"holds": "a mark that rows can be prepared", "data": str(splits.origins["train"])}
        mark = {"notes": np.frombuffer(json.dumps(notes).encode(), np.uint8)}
        splits.cache.arrays(_key(experiment, splits), about, lambda: [mark])
    return notes


def _key(experiment: Experiment, splits: Splits) -> str:
    """Equal where the same code prepares the same rows for the same model."""
    files = [_files(located) for located in (experiment.model, experiment.tokenizer)]
    versions = [version(name) for name in ("transformers", "tokenizers")]
    return token_entry.key_of([], "prepared, noted", row_report.identity(splits), experiment.digest, files, versions)


def _files(located: Located | None) -> list[list[object]]:
    """Name, size and time of change of each file in the directory of a model or tokenizer."""
    if located is None or located.directory is None:
        return []
    told = [(path, path.stat()) for path in sorted(located.directory.iterdir()) if path.is_file()]
    return [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in told]
