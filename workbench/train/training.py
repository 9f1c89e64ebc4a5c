"""The training itself: the loop and what surrounds it, from `plan` to `model/`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from workbench.contracts.events import EvalEvent, PlanEvent, ResumedEvent, SampleEvent, StoppingEvent, decode
from workbench.contracts.run_environment import accepted
from workbench.core.errors import BadInput
from workbench.core.rundir import RunDir
from workbench.metrics import catalog
from workbench.models.adapter_files import link_base
from workbench.models.locate import is_adapter
from workbench.models.weights import limits
from workbench.tasks.interface import Baselines, EvaluationResult
from workbench.tasks.spec import spec_of
from workbench.train import attention, checkpoints, model_card, model_files, resume, saving, sharding
from workbench.train.best import Standing
from workbench.train.building import loop_of
from workbench.train.device import peak_memory
from workbench.train.evaluation import Interrupted, evaluate_split, write_predictions
from workbench.train.futile import futile
from workbench.train.memory import make_room
from workbench.train.meter import Meter
from workbench.train.passes import autocast
from workbench.train.ranks import Ranks
from workbench.train.ready import Ended, Ready
from workbench.train.rng import seed_everything, undisturbed
from workbench.train.run_log import Journal
from workbench.train.state import TrainingState, load_generators
from workbench.train.stopping import StopRequest


class Training:
    """Joins loop, log, checkpoints and evaluation."""

    def __init__(
        self, run: RunDir, journal: Journal, stop: StopRequest, ready: Ready, attempt: int, checkpoint: Path | None
    ) -> None:
        self._run, self._journal, self._stop, self._ready = run, journal, stop, ready
        self._attempt, self._checkpoint = attempt, checkpoint
        self._use_cache = bool(getattr(ready.model.config, "use_cache", True))
        on_gpu = ready.device.kind == "cuda"
        self._ranks = Ranks.of_environment().joined(ready.recipe.launch.processes, on_gpu=on_gpu)
        seed_everything(ready.recipe.seed)
        self._loop = loop_of(
            ready,
            self._ranks,
            evaluated="validation" in ready.prepared.rows,
            journal=journal,
            short_of_memory=self._short_of_memory,
        )
        self._rhythm = self._loop.rhythm
        self._collator = ready.task.collator(ready.prepared, ready.model)
        self._standing = Standing()
        self._meter = Meter(journal, self._ranks, on_gpu=on_gpu)
        self._state = TrainingState(ready.model, self._loop.optimizer, self._loop.schedule, self._loop.scaler)
        keep = ready.recipe.train.keep_checkpoints
        self._saver = saving.Saver(run.checkpoints, journal, self._ranks, keep=keep)
        self._card = saving.Card(ready.recipe.task, run.id, ready.prepared.max_length, ready.recipe.resolved())
        self._fingerprint = resume.fingerprint(ready, self._ranks.world)
        self._at_once = ready.recipe.evaluate.batch_size or ready.recipe.train.batch_size
        self._step = 0  # that the weights are of
        self._stopped: str | None = None
        self._saved = True
        self._sampled: int | None = None
        self._evaluation_due = False
        self._undefined: set[tuple[str, str]] = set()
        self._digests: dict[str, str] = {}
        self._baselines: dict[str, Baselines] = {}

    def run(self) -> Ended:
        """Raises WorkbenchError, Diverged, and whatever computing raises."""
        self._say_plan()
        self._resume()
        if self._stopped is not None or self._asked():
            return self._stopped_here()
        if self._step == 0 and self._ready.recipe.evaluate.before and "validation" in self._ready.prepared.rows:
            self._evaluate_before()
        if not self._ended():
            self._train()
            if self._stopped is not None and (self._evaluation_due or not self._ended()):
                return self._stopped_here()
        return self._complete()

    def _ended(self) -> bool:
        return self._step >= self._rhythm.total or self._standing.ended

    def _end_as(self, state: Literal["completed", "stopped"], reason: str) -> Ended:
        return Ended(state, reason, peak_memory(self._ready.device.kind))

    # Before

    def _say_plan(self) -> None:
        ready, rhythm, learning = self._ready, self._rhythm, self._ready.learning
        self._journal.write(
            PlanEvent(
                total_steps=rhythm.total,
                steps_per_epoch=rhythm.per_epoch,
                epochs=round(rhythm.total / rhythm.per_epoch, 6),
                device=ready.device.name,
                precision=ready.device.precision,
                processes=self._ranks.world,
                method=learning.method,
                parameters=learning.parameters,
                trainable=learning.trainable,
                new_weights=tuple(learning.new_weights),
                frozen=len(learning.frozen),
                adapters=learning.adapters,
                best=ready.rule.metric and f"eval/{ready.rule.metric}",
                direction=ready.rule.metric and ready.rule.direction,
                max_length=ready.prepared.max_length,
            )
        )
        if self._attempt == 1:
            labels = ready.prepared.counts.get("validation", {}).get("labels")
            for said in futile(ready.recipe, rhythm, ready.rule, labels if isinstance(labels, Mapping) else None):
                self._journal.warn("no-effect", said)

    def _resume(self) -> None:
        """Take up the checkpoint, if there is one. Raises BadInput."""
        if self._checkpoint is None:
            if self._attempt > 1:
                self._journal.write(ResumedEvent(step=0))
            return
        try:
            progress = resume.Progress.read(self._checkpoint)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"not a checkpoint of a run ({error})", where=str(self._checkpoint)) from error
        differences = progress.fingerprint.differences(self._fingerprint)
        resume.check(differences, accepted())
        said = tuple(difference.sentence for difference in differences)
        self._journal.write(ResumedEvent(step=progress.step, differences=said))
        self._standing, self._meter.tokens = progress.standing, progress.tokens
        self._loop.pieces = progress.pieces
        self._load(self._checkpoint)
        self._state.load(self._checkpoint)
        if progress.evaluation_due:
            self._evaluate()

    def _asked(self) -> bool:
        (asked,) = self._ranks.any(self._stop.reason is not None)
        return asked

    def _stopped_here(self) -> Ended:
        self._end()
        when = "before training began" if self._step == 0 else f"at step {self._step}"
        lost = "" if self._saved else ", and what came after the last checkpoint could not be saved"
        return self._end_as("stopped", f"{self._stopped} {when}{lost}")

    def _end(self) -> None:
        """Training is to end. Asked again, says it once."""
        if self._stopped is None:
            self._stopped = self._stop.reason or "asked to"
            self._journal.write(StoppingEvent(step=self._step, reason=self._stopped))

    def _evaluate_before(self) -> None:
        """Evaluate the weights that training starts from, as a split of their own. A stop meanwhile is seen later."""
        with undisturbed():
            try:
                self._say_result("validation", "before", self._result_of("validation"), keep=False)
            except Interrupted:
                return

    # While it trains

    def _train(self) -> None:
        restore = None if self._checkpoint is None else partial(load_generators, self._checkpoint, self._ranks)
        for step in self._loop.steps(self._step, restore):
            self._step = step.step
            self._meter.add(step)
            if self._after_step():
                break
        self._meter.flush()

    def _after_step(self) -> bool:
        """Log, evaluate, save: what is due. Returns whether training is to end here.

        Everything is decided at the end of a step, so that a checkpoint there is the whole truth.
        """
        evaluate, save = self._rhythm.evaluation_due(self._step), self._rhythm.save_due(self._step)
        boundary = evaluate or save or self._step == self._rhythm.total
        stopping, writing = self._ranks.any(self._stop.reason is not None, self._meter.due)
        if writing or stopping or boundary:
            self._meter.flush()
        if stopping:
            # An evaluation that is due comes first when the run goes on: whoever asked does not wait for it.
            self._end()
        if evaluate:
            save = self._evaluate() or save
        if save or self._stopped is not None:
            self._save()
        return self._stopped is not None or self._standing.ended

    def _evaluate(self) -> bool:
        """Evaluate on the validation rows, say so, and generate samples. Returns whether the weights are to be kept."""
        with undisturbed():
            try:
                result = self._result_of("validation")
            except Interrupted:
                self._evaluation_due = True
                self._end()
                return True
            self._evaluation_due = False
            scalars = self._ranks.share(None if result is None else result.scalars)
            best = self._standing.update(self._ready.rule, self._step, scalars)
            chooses = self._ready.rule.metric is not None
            self._say_result("validation", "eval", result, keep=best or not chooses, best=best if chooses else None)
            self._sample()
        self._loop.told(scalars.get(self._ready.rule.metric or ""))
        return best and self._rhythm.save_every != 0

    def _save(self) -> None:
        if not self._meter.healthy:
            self._saved = False
            self._journal.warn(
                "checkpoint-skipped", f"step {self._step} is not saved: its loss or gradient is no number"
            )
            return
        progress = resume.Progress(
            self._step, self._meter.tokens, self._standing, self._fingerprint, self._evaluation_due, self._loop.pieces
        )
        # Of a model that is divided among processes each gives its part.
        weights = sharding.whole_weights(self._ready.model)
        optimizer = sharding.optimizer_state(self._ready.model, self._loop.optimizer)

        def write(directory: Path) -> None:
            self._write_weights(directory, weights)
            self._state.save(directory, optimizer)

        self._saved = self._saver.save(self._ready.model, progress, write)

    def _write_weights(self, directory: Path, weights: sharding.StateDict | None) -> None:
        model, tokenizer = self._ready.model, self._ready.prepared.tokenizer
        prepared = self._ready.prepared
        positions = limits(model.config, tokenizer).positions
        cut = prepared.max_length if spec_of(prepared.recipe.task).cuts else positions
        model_files.save(model, tokenizer, directory, use_cache=self._use_cache, max_length=cut, weights=weights)
        self._card.write(directory, self._step)

    def _write_for_use(self, directory: Path, weights: sharding.StateDict | None) -> None:
        """What a checkpoint has of the model, and what whoever uses it wants beside it."""
        self._write_weights(directory, weights)
        model_card.write(directory, self._run.events, self._ready.prepared, self._step)
        if is_adapter(directory):
            link_base(directory)

    def _short_of_memory(self, step: int, parts: int) -> None:
        """The loop goes on with each batch in smaller pieces; evaluation takes fewer rows at once as well."""
        train = self._ready.recipe.train
        self._at_once = max(1, self._at_once // 2)
        whole, what = (train.batch_tokens, "tokens") if train.batch_tokens else (train.batch_size, "rows")
        self._journal.warn(
            "oom-recovered",
            f"out of memory at step {step}: from here on {-(-whole // parts)} {what} at once, "
            f"{train.gradient_accumulation * parts} batches to a step, so that a step stays what it was; "
            f"evaluation takes {self._at_once} rows at once",
        )

    def _result_of(self, split: str) -> EvaluationResult | None:
        """Raises Interrupted. Out of memory, it evaluates anew with half the rows at once."""
        try:
            return self._evaluated(split)
        except torch.OutOfMemoryError:
            alone = self._ranks.world == 1 and self._ready.recipe.train.oom_recovery
            if not alone or self._at_once == 1:
                raise
        make_room()
        self._at_once //= 2
        self._journal.warn("oom-recovered", f"out of memory in evaluation: from here on {self._at_once} rows at once")
        return self._result_of(split)

    def _evaluated(self, split: str) -> EvaluationResult | None:
        ready = self._ready
        evaluator = ready.task.evaluator(ready.prepared, split)
        with undisturbed():
            # With a collator that draws every checkpoint is evaluated on the same draws.
            seed_everything(ready.recipe.seed)
            return evaluate_split(
                ready.model,
                ready.prepared.rows[split],
                self._collator,
                evaluator,
                device=ready.device,
                at_once=self._at_once,
                ranks=self._ranks,
                stop=self._stop,
            )

    def _say_result(
        self, split: str, prefix: str, result: EvaluationResult | None, *, keep: bool, best: bool | None = None
    ) -> None:
        """Only the first process has a result."""
        if result is None:
            return
        written = None
        if keep:
            try:
                written = write_predictions(
                    result,
                    self._run.predictions,
                    split,
                    task=self._ready.recipe.task,
                    labels=self._ready.prepared.labels,
                )
            except OSError as error:
                self._journal.warn("predictions-failed", f"predictions of {split} were not written ({error})")
        found = {
            "step": self._step,
            "epoch": round(self._step / self._rhythm.per_epoch, 6),
            "split": "before" if prefix == "before" else split,
            "scalars": {f"{prefix}/{name}": result.scalars[name] for name in self._in_order(result)},
            "undefined": [f"{prefix}/{name}" for name in result.undefined],
            "best": best,
            "rows_digest": self._digest_of(split),
            "predictions": written,
            "baselines": self._baselines_of(split),
        }
        self._journal.write(decode(EvalEvent, {**found, **result.report}))
        self._warn_of_undefined(split, result)

    def _warn_of_undefined(self, split: str, result: EvaluationResult) -> None:
        """Said once: every evaluation names them in its own event."""
        new = [name for name in result.undefined if (split, name) not in self._undefined]
        self._undefined |= {(split, name) for name in new}
        where = f"on {split} at step {self._step}"
        if without := [name for name in new if name not in result.scalars]:
            self._journal.warn("metric-undefined", f"{', '.join(without)}: no value {where}")
        if counted := [name for name in new if name in result.scalars]:
            what = "what is never predicted, or never there, counts as 0"
            self._journal.warn("metric-undefined", f"{', '.join(counted)}: {what} {where}")

    def _digest_of(self, split: str) -> str:
        if split not in self._digests:
            self._digests[split] = self._ready.prepared.splits.digest(split)
        return self._digests[split]

    def _baselines_of(self, split: str) -> Baselines:
        if split not in self._baselines:
            self._baselines[split] = self._ready.task.baselines(self._ready.prepared, split)
        return self._baselines[split]

    def _in_order(self, result: EvaluationResult) -> list[str]:
        """The metrics as they are shown: what chooses the checkpoint and what the recipe names come first."""
        recipe, chooses = self._ready.recipe, self._ready.rule.metric
        asked = [*([chooses] if chooses else []), *(recipe.evaluate.metrics or [])]
        return catalog.ordered(result.scalars, asked)

    def _sample(self) -> None:
        self._sampled, model = self._step, self._ready.model
        training = model.training
        model.eval()
        with sharding.gathered(model), attention.for_evaluation(model), autocast(self._ready.device):
            if self._ranks.first:
                for prompt, text in self._ready.task.samples(self._ready.prepared, model):
                    self._journal.write(SampleEvent(step=self._step, prompt=prompt, text=text))
        model.train(training)

    # After

    def _complete(self) -> Ended:
        last = self._step
        self._choose()
        chosen = self._step
        if self._sampled != chosen:
            self._sample()
        if "test" in self._ready.prepared.rows:
            try:
                result = self._result_of("test")
            except Interrupted:
                return self._stopped_here()
            self._say_result("test", "test", result, keep=True)
        weights = sharding.whole_weights(self._ready.model)
        if self._ranks.first:
            self._write_model(weights)
        self._ranks.wait()
        why = f"step {chosen} is the best by {self._ready.rule.metric}" if chosen != last else f"{last} steps"
        if self._standing.ended and last < self._rhythm.total:
            why = f"nothing better since step {chosen}; ended at step {last}"
        return self._end_as("completed", why)

    def _choose(self) -> None:
        """Bring the best weights back where they are not the ones at hand."""
        best = self._standing.best_step
        if best is None or best == self._step:
            return
        path = checkpoints.directory(self._run.checkpoints, best)
        if checkpoints.verified(path):
            self._load(path)
        elif self._rhythm.save_every != 0:
            self._journal.warn(
                "best-missing", f"the best checkpoint, step {best}, is not there; step {self._step} is kept"
            )

    def _load(self, path: Path) -> None:
        model_files.load(self._ready.model, path)
        saving.take_thresholds(path, self._ready.model.config)
        self._step = checkpoints.step_of(path) or 0

    def _write_model(self, weights: sharding.StateDict | None) -> None:
        ready = self._ready
        held = ready.model.state_dict() if weights is None else weights
        if (said := ready.task.finish(ready.prepared, ready.model, held)) is not None:
            self._journal.warn("plain-transformers", said)
        try:
            saving.write_model(partial(self._write_for_use, weights=weights), self._run.model)
        except saving.Unwritable as error:
            self._journal.warn("model-failed", f"the model was not written ({error}); the checkpoints are whole")
