"""One attempt at a run, from its recipe to its model: read, prepare, resume or begin, train, evaluate, write."""

from __future__ import annotations

import dataclasses
import gc
import os
from pathlib import Path
from typing import Any

from workbench.contracts.events import DataEvent, decode
from workbench.contracts.events.data_event import SplitCounts
from workbench.core.errors import BadInput, RecipeError
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.data.cache.token_cache import TokenCache
from workbench.data.report import row_report, unknown_tokens
from workbench.models import vocabulary
from workbench.recipe import Recipe
from workbench.tasks.experiment import Experiment
from workbench.tasks.interface import Prepared
from workbench.tasks.loading import splits_for
from workbench.tasks.spec import task_of
from workbench.train import checkpoints, device, lengths, methods, model_notes, optimizer_options, preparing
from workbench.train.ready import Ended, Ready
from workbench.train.run_log import Journal
from workbench.train.stopping import StopRequest


class Session:
    """One process's part in one attempt."""

    def __init__(self, run: RunDir, journal: Journal, stop: StopRequest, *, attempt: int) -> None:
        self._run, self._journal, self._stop, self._attempt = run, journal, stop, attempt

    def run(self) -> Ended:
        """Raises WorkbenchError, Diverged, and whatever training raises."""
        experiment = Experiment.of_run(self._run)
        recipe = experiment.recipe
        if found := optimizer_options.problems(recipe):
            raise RecipeError(found)
        _set_threads(recipe)
        if experiment.model.kind != "download":
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        checkpoint = self._checkpoint()
        ready = self.prepare(experiment, checkpoint)

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
        if found is None:
            if not passed:
                return None
            raise BadInput(
                f"every checkpoint is damaged ({', '.join(path.name for path in passed)})",
                where=self._run.id,
                hint=f"begin again with `workbench resume {self._run.id} --from-start`",
            )
        for path in passed:
            self._journal.warn(
                "checkpoint-corrupt", f"{path.name} is not what was sealed; {found.name} is used instead"
            )
        return found

    def prepare(self, experiment: Experiment, checkpoint: Path | None) -> Ready:
        """All that comes before the first step. Raises WorkbenchError."""
        recipe = experiment.recipe
        preparing.rule_of(recipe)
        chosen = device.choose(recipe)
        trained = checkpoint if experiment.tokenizer is None else None
        splits = splits_for(recipe, experiment.search, self._cache())
        prepared, rule = preparing.prepare(experiment, splits, trained)
        self._say_data(experiment, prepared)
        from workbench.train.rng import seed_everything

        seed_everything(recipe.seed)
        located = methods.loaded_for(experiment.model, recipe, chosen.precision)
        task = task_of(recipe.task)
        model, new = task.model(prepared, located)
        if recipe.train.method == "full" and located.kind != "scratch":
            vocabulary.grow(model, prepared.tokenizer)
        self._say_model(experiment, prepared)
        if (doubt := methods.doubts(model, new)) is not None:
            self._journal.warn("new-weights", doubt)
        model, learning = methods.apply(model, recipe, new, experiment.model)
        return Ready(recipe, task, chosen, prepared, model, learning, rule)

    def _say_model(self, experiment: Experiment, prepared: Prepared[Any, Any]) -> None:
        from workbench.models.weights import read_config

        if experiment.model.kind == "scratch":
            return
        own = read_config(experiment.recipe.model, experiment.model, {})
        for note in model_notes.notes(experiment, prepared, own.to_dict()):
            self._journal.warn("checkpoint-changed", note)

    def _cache(self) -> TokenCache:
        """Where tokens are kept for the next run: in the home that the run is of."""
        root = Home(self._run.path.parent.parent).tokens
        return TokenCache(root, warn=lambda why: self._journal.warn("tokens-not-kept", why))

    def _say_data(self, experiment: Experiment, prepared: Prepared[Any, Any]) -> None:
        """The `data` event: what was prepared, and the report that `workbench check` gives, once a run."""
        counts = {name: decode(SplitCounts, found) for name, found in prepared.counts.items()}
        event = DataEvent(splits=counts, notes=tuple(prepared.notes))
        unknown: list[str] = []
        doubts: tuple[str, ...] = ()
        if self._attempt == 1 and int(os.environ.get("RANK", "0")) == 0:
            report = row_report.whole(dataclasses.replace(prepared.splits, notes=[]), experiment.recipe.data)
            doubts = report.warnings
            inner = getattr(prepared.tokenizer, "backend_tokenizer", None)
            whole = None if inner is None else lengths.uncut(inner)
            unknown = [] if whole is None else unknown_tokens.notes(prepared.splits, whole)
            event = dataclasses.replace(
                event,
                notes=tuple(dict.fromkeys([*event.notes, *report.notes, *unknown])),
                report=report.splits,
                columns=report.columns,
                unread=report.unread,
                ledger={} if whole is None else lengths.ledgers(experiment, prepared.splits, whole),
            )
        self._journal.write(event)
        for said in unknown:
            self._journal.warn("unknown-tokens", said)
        for said in doubts:
            self._journal.warn("data", said)


def _set_threads(recipe: Recipe) -> None:
    if recipe.launch.threads is not None:
        import torch

        torch.set_num_threads(recipe.launch.threads)
