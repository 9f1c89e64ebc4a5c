"""The training itself: the trainer and what surrounds it, from `plan` to `model/`."""

from __future__ import annotations

from pathlib import Path

import torch

from workbench.errors import BadInput
from workbench.rundir import RunDir
from workbench.tasks import Verdict, metrics_table
from workbench.train import attention, checkpoints, resume, saving
from workbench.train.arguments import training_arguments
from workbench.train.callback import Rhythm, RunCallback
from workbench.train.chance import undisturbed
from workbench.train.evaluation import Interrupted, judge_split, write_predictions
from workbench.train.journal import Journal
from workbench.train.memory import make_room
from workbench.train.meter import Meter
from workbench.train.session import Ended, Ready, fingerprint, seed_everything
from workbench.train.standing import Standing
from workbench.train.stopping import StopRequest
from workbench.train.trainer import RunTrainer


class Training:
    """Joins trainer, log, checkpoints and judgement. `Hooks` of the trainer."""

    def __init__(
        self, run: RunDir, journal: Journal, stop: StopRequest, ready: Ready, attempt: int, checkpoint: Path | None
    ) -> None:
        self._run, self._journal, self._stop, self._ready = run, journal, stop, ready
        self._attempt, self._checkpoint = attempt, checkpoint
        self._collator = ready.task.collator(ready.tokenizer, ready.prepared)
        attention.for_training(ready.model, ready.device)
        self._trainer = RunTrainer(
            ready.model,
            training_arguments(ready.recipe, ready.device, run.checkpoints),
            ready.prepared.splits["train"],
            self._collator,
            ready.task.loss(),
            grouped=ready.recipe.train.group_by_length,
            draws=ready.task.draws,
            train=ready.recipe.train,
            rule=ready.rule,
        )
        self._trainer.hooks = self
        self._ranks = self._trainer.join(ready.recipe.launch.processes)
        self._standing = Standing()
        self._rhythm = self._plan_rhythm()
        self._meter = Meter(journal, self._ranks, on_gpu=ready.device.kind == "cuda")
        self._card = saving.Card(ready.recipe.task, run.id, ready.prepared.max_length, ready.recipe.resolved())
        self._saver = saving.Saver(
            run.checkpoints,
            journal,
            self._ranks,
            keep=ready.recipe.train.keep_checkpoints,
            card=self._card,
            tokenizer=ready.tokenizer,
        )
        self._fingerprint = fingerprint(ready, self._ranks.world)
        self._sampled: int | None = None
        self._unjudged = False
        self._undefined: set[tuple[str, str]] = set()
        self._callback = RunCallback(journal, stop, self._rhythm)
        self._callback.attach(self._trainer, self._ranks, self._meter)
        self._trainer.add_callback(self._callback)

    def run(self) -> Ended:
        self._say_plan()
        done = self._resume()
        if self._callback.stopped is not None or self._asked():
            return self._stopped(done)
        if not self._ended(done):
            self._trainer.train(resume_from_checkpoint=None if self._checkpoint is None else str(self._checkpoint))
            done = self._trainer.state.global_step
            self._meter.flush()
            if self._callback.stopped is not None and (self._unjudged or not self._ended(done)):
                return Ended("stopped", f"{self._callback.stopped} at step {done}")
        elif self._checkpoint is not None:
            self._load(self._checkpoint)
        return self._complete(done)

    def _ended(self, step: int) -> bool:
        return step >= self._rhythm.total or self._standing.ended

    # Before

    def _plan_rhythm(self) -> Rhythm:
        train = self._ready.recipe.train
        per_epoch = self._trainer.steps_per_epoch()
        total = train.max_steps or max(1, -int(-train.epochs * per_epoch // 1))
        judged = "validation" in self._ready.prepared.splits
        return Rhythm.of(self._ready.recipe, per_epoch=per_epoch, total=total, judged=judged)

    def _say_plan(self) -> None:
        ready, rhythm = self._ready, self._rhythm
        self._journal.write(
            "plan",
            total_steps=rhythm.total,
            steps_per_epoch=rhythm.per_epoch,
            epochs=round(rhythm.total / rhythm.per_epoch, 6),
            device=ready.device.name,
            precision=ready.device.precision,
            processes=self._ranks.world,
            **ready.learning.fields(),
            best=ready.rule.metric and f"eval/{ready.rule.metric}",
            direction=ready.rule.metric and ready.rule.direction,
            max_length=ready.prepared.max_length,
        )

    def _resume(self) -> int:
        """Take up the checkpoint, if there is one. Returns the step it is of. Raises BadInput."""
        if self._checkpoint is None:
            if self._attempt > 1:
                self._journal.write("resumed", step=0, differences=[])
            return 0
        try:
            progress = resume.Progress.read(self._checkpoint)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"not a checkpoint of a run ({error})", where=str(self._checkpoint)) from error
        differences = progress.fingerprint.differences(self._fingerprint)
        resume.check(differences, resume.accepted())
        self._journal.write(
            "resumed", step=progress.step, differences=[difference.sentence for difference in differences]
        )
        self._standing, self._meter.tokens = progress.standing, progress.tokens
        self._trainer.pieces = progress.pieces
        if progress.unjudged:
            self._load(self._checkpoint)
            self._trainer.owed = self.evaluate()
        return progress.step

    def _asked(self) -> bool:
        (asked,) = self._ranks.any(self._stop.reason is not None)
        return asked

    def _stopped(self, step: int) -> Ended:
        self._callback.end(step, self._trainer.control)
        reason = self._callback.stopped
        return Ended("stopped", f"{reason} before training began" if step == 0 else f"{reason} at step {step}")

    # While the trainer trains

    def evaluate(self) -> dict[str, float]:
        """Judge the validation rows, see whether they are the best, say so, and generate samples."""
        step = self._trainer.state.global_step
        try:
            verdict = self._ranks.share(self._judged("validation"))
        except Interrupted:
            self._unjudged = True
            self._callback.end(step, self._trainer.control)
            return {}
        self._unjudged = False
        best = self._standing.judge(self._ready.rule, step, verdict.scalars)
        if best and self._rhythm.save_every != 0:
            self._trainer.control.should_save = True
        if self._standing.ended:
            self._trainer.control.should_training_stop = True
        self._say_verdict("validation", "eval", verdict, keep=best or self._ready.rule.metric is None)
        self._sample(step)
        return dict(verdict.scalars)

    def save(self) -> None:
        step = self._trainer.state.global_step
        if not self._meter.healthy:
            self._journal.warn("checkpoint-skipped", f"step {step} is not saved: its loss or gradient is no number")
            return
        progress = resume.Progress(
            step, self._meter.tokens, self._standing, self._fingerprint, self._unjudged, self._trainer.pieces
        )
        self._saver.save(self._trainer, progress)

    def short_of_memory(self) -> None:
        """The trainer goes on with each batch in smaller pieces; evaluation takes fewer rows at once as well."""
        trainer, train = self._trainer, self._ready.recipe.train
        arguments = trainer.args
        arguments.per_device_eval_batch_size = max(1, arguments.per_device_eval_batch_size // 2)
        rows = -(-train.batch_size // trainer.pieces)
        self._journal.warn(
            "oom-recovered",
            f"out of memory at step {trainer.state.global_step + 1}: from here on {rows} rows at once, "
            f"{train.gradient_accumulation * trainer.pieces} batches to a step, so that a step stays what it was; "
            f"evaluation takes {arguments.per_device_eval_batch_size} rows at once",
        )

    def _judged(self, split: str) -> Verdict | None:
        """Raises Interrupted. Out of memory, it judges anew with half the rows at once."""
        arguments = self._trainer.args
        try:
            return self._judge(split)
        except torch.OutOfMemoryError:
            alone = self._ranks.world == 1 and self._ready.recipe.train.oom_recovery
            if not alone or arguments.per_device_eval_batch_size == 1:
                raise
        make_room()
        arguments.per_device_eval_batch_size //= 2
        self._journal.warn(
            "oom-recovered",
            f"out of memory in evaluation: from here on {arguments.per_device_eval_batch_size} rows at once",
        )
        return self._judged(split)

    def _judge(self, split: str) -> Verdict | None:
        ready = self._ready
        judge = ready.task.judge(split, ready.splits, ready.prepared)
        with undisturbed():
            # A collator that draws judges every checkpoint on the same draws.
            seed_everything(ready.recipe.seed)
            return judge_split(
                self._trainer, ready.prepared.splits[split], self._collator, judge, self._ranks, self._stop
            )

    def _say_verdict(self, split: str, prefix: str, verdict: Verdict, *, keep: bool) -> None:
        written = None
        if keep and self._ranks.first:
            try:
                written = write_predictions(verdict, self._run.predictions, split)
            except OSError as error:
                self._journal.warn("predictions-failed", f"predictions of {split} were not written ({error})")
        self._journal.write(
            "eval",
            step=self._trainer.state.global_step,
            epoch=round(self._trainer.state.global_step / self._rhythm.per_epoch, 6),
            split=split,
            scalars={f"{prefix}/{name}": verdict.scalars[name] for name in self._in_order(verdict)},
            undefined=[f"{prefix}/{name}" for name in verdict.undefined],
            predictions=written,
            **verdict.report,
        )
        new = [name for name in verdict.undefined if (split, name) not in self._undefined]
        if new:
            # Said once: every evaluation names them in its own event.
            self._undefined |= {(split, name) for name in new}
            step = self._trainer.state.global_step
            self._journal.warn("metric-undefined", f"{', '.join(new)}: no value on {split} at step {step}")

    def _in_order(self, verdict: Verdict) -> list[str]:
        """The metrics as they are shown: what chooses the checkpoint and what the recipe names come first."""
        recipe, chooses = self._ready.recipe, self._ready.rule.metric
        asked = [*([chooses] if chooses else []), *(recipe.evaluate.metrics or [])]
        return metrics_table.ordered(recipe.task, verdict.scalars, asked)

    def _sample(self, step: int) -> None:
        if not self._ranks.first:
            return
        model = self._trainer.model
        training = model.training
        model.eval()
        with self._trainer.accelerator.autocast():
            for prompt, text in self._ready.task.samples(model, self._ready.tokenizer):
                self._journal.write("sample", step=step, prompt=prompt, text=text)
        model.train(training)
        self._sampled = step

    # After

    def _complete(self, step: int) -> Ended:
        chosen = self._choose(step)
        if self._sampled != chosen:
            self._sample(chosen)
        if "test" in self._ready.prepared.splits:
            try:
                verdict = self._judged("test")
            except Interrupted:
                return self._stopped(step)
            if verdict is not None:
                self._say_verdict("test", "test", verdict, keep=True)
        if self._ranks.first:
            self._write_model(chosen)
        self._ranks.wait()
        why = f"step {chosen} is the best by {self._ready.rule.metric}" if chosen != step else f"{step} steps"
        if self._standing.ended and step < self._rhythm.total:
            why = f"nothing better since step {chosen}; ended at step {step}"
        return Ended("completed", why)

    def _choose(self, step: int) -> int:
        """Bring the best weights back where they are not the ones at hand. Returns the step of the weights."""
        best = self._standing.best_step
        if best is None or best == step:
            return step
        path = checkpoints.directory(self._run.checkpoints, best)
        if not checkpoints.verified(path):
            if self._rhythm.save_every != 0:
                self._journal.warn(
                    "best-missing", f"the best checkpoint, step {best}, is not there; step {step} is kept"
                )
            return step
        self._load(path)
        return best

    def _load(self, path: Path) -> None:
        self._trainer.load_weights(path)
        saving.take_thresholds(path, self._trainer.model.config)
        self._trainer.state.global_step = checkpoints.step_of(path) or 0

    def _write_model(self, step: int) -> None:
        try:
            saving.write_model(self._trainer, self._ready.tokenizer, self._card, step, self._run.model)
        except saving.Unwritable as error:
            self._journal.warn("model-failed", f"the model was not written ({error}); the checkpoints are whole")
