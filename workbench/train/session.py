"""One attempt at a run, from its recipe to its model: read, prepare, resume or begin, train, evaluate, write."""

from __future__ import annotations

import dataclasses
import gc
import os
from pathlib import Path
from typing import Any

from workbench.contracts.events import DataEvent, decode
from workbench.core.errors import BadInput, RecipeError
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.data.cache.token_cache import TokenCache
from workbench.data.report import row_report, unknown_tokens
from workbench.metrics import catalog
from workbench.models.locate import Located, locate
from workbench.recipe import Recipe
from workbench.recipe.schema import Problem
from workbench.tasks import recipe_union
from workbench.tasks.interface import Prepared
from workbench.tasks.loading import splits_for
from workbench.tasks.spec import spec_of, task_of
from workbench.train import checkpoints, device, lengths, methods, optimizer_options
from workbench.train.best import Rule
from workbench.train.ready import Ended, Ready
from workbench.train.run_log import Journal
from workbench.train.stopping import StopRequest


class Session:
    """One process's part in one attempt."""

    def __init__(self, run: RunDir, journal: Journal, stop: StopRequest, *, attempt: int) -> None:
        self._run, self._journal, self._stop, self._attempt = run, journal, stop, attempt

    def run(self) -> Ended:
        """Raises WorkbenchError, Diverged, and whatever training raises."""
        recipe, search = _read(self._run)
        if found := optimizer_options.problems(recipe):
            raise RecipeError(found)
        _set_threads(recipe)
        located = locate(recipe.model, search)
        if located.kind != "download":
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        checkpoint = self._checkpoint()
        ready = self.prepare(recipe, search, located, checkpoint)

        from workbench.train.training import Training

        training = Training(self._run, self._journal, self._stop, ready, self._attempt, checkpoint)
        gc.freeze()
        gc.enable()
        return training.run()

    def _checkpoint(self) -> Path | None:
        """The newest checkpoint that verifies. Every process sees the same files and so finds the same."""
        if int(os.environ.get("RANK", "0")) == 0:
            checkpoints.discard_partial(self._run.checkpoints)
        found, passed = checkpoints.newest_verified(self._run.checkpoints)
        for path in passed:
            instead = f"{found.name} is used instead" if found else "training begins anew"
            self._journal.warn("checkpoint-corrupt", f"{path.name} is not what was sealed; {instead}")
        return found

    def prepare(self, recipe: Recipe, search: list[Path], located: Located, checkpoint: Path | None) -> Ready:
        """All that comes before the first step. Raises WorkbenchError."""
        task = task_of(recipe.task)
        rule_of(recipe)
        rows = splits_for(recipe, search, self._cache())
        chosen = device.choose(recipe)
        if checkpoint is not None and recipe.model.tokenizer == "bpe":
            from workbench.models.weights import open_tokenizer

            tokenizer = open_tokenizer(checkpoint)
        else:
            tokenizer = task.tokenizer(recipe, rows, search)
        prepared = task.prepare(recipe, rows, tokenizer, task.config(recipe, located, tokenizer))
        rule = rule_of(recipe, prepared.problem)
        self._say_data(prepared, located)
        from workbench.train.rng import seed_everything

        seed_everything(recipe.seed)
        model, new = task.model(prepared, methods.loaded_for(located, recipe, chosen.precision))
        if (doubt := methods.doubts(model, new)) is not None:
            self._journal.warn("new-weights", doubt)
        model, learning = methods.apply(model, recipe, new, located)
        return Ready(recipe, task, chosen, prepared, model, learning, rule)

    def _cache(self) -> TokenCache:
        """Where tokens are kept for the next run: in the home that the run is of."""
        root = Home(self._run.path.parent.parent).tokens
        return TokenCache(root, warn=lambda why: self._journal.warn("tokens-not-kept", why))

    def _say_data(self, prepared: Prepared[Any, Any], located: Located) -> None:
        """The `data` event: what was prepared, and the report that `workbench check` gives, once a run."""
        recipe, rows = prepared.recipe, prepared.splits
        found: dict[str, object] = {"splits": prepared.counts, "notes": prepared.notes}
        unknown: list[str] = []
        if self._attempt == 1 and int(os.environ.get("RANK", "0")) == 0:
            facts = row_report.whole(dataclasses.replace(rows, notes=[]), recipe.data)
            inner = getattr(prepared.tokenizer, "backend_tokenizer", None)
            whole = None if inner is None else lengths.uncut(inner)
            ledger = {} if whole is None else lengths.ledgers(recipe, rows, whole, located)
            unknown = [] if whole is None else unknown_tokens.notes(rows, whole)
            notes = list(dict.fromkeys([*prepared.notes, *facts["notes"], *unknown]))
            found |= {"notes": notes, "report": facts["splits"], "columns": facts["columns"], "unread": facts["unread"]}
            found |= {"ledger": ledger}
        self._journal.write(decode(DataEvent, found))
        for sentence in unknown:
            self._journal.warn("unknown-tokens", sentence)


def _read(run: RunDir) -> tuple[Recipe, list[Path]]:
    """The recipe of a run, and the directories its relative paths may mean."""
    try:
        facts = run.read_facts()
        recipe = recipe_union.stored(facts["recipe"])
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"run.json cannot be used ({error})", where=str(run.path)) from error
    search = facts.get("search") or facts.get("base_dir") or [str(run.path)]
    return recipe, [Path(place) for place in search]


def _set_threads(recipe: Recipe) -> None:
    if recipe.launch.threads is not None:
        import torch

        torch.set_num_threads(recipe.launch.threads)


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
