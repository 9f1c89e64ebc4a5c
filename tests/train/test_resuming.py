"""A run that was stopped, killed or torn goes on as if nothing had been."""

from __future__ import annotations

import hashlib
import random
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from workbench.core.errors import BadInput
from workbench.core.rundir import RunDir
from workbench.tasks.text_classification import task
from workbench.train import checkpoints

# Uneven on purpose: 75 rows, 4 a batch, 2 batches a step make 10 steps an epoch, the last of them short.
UNEVEN = ("train.save_every=3", "train.keep_checkpoints=50", "evaluate.every=4")
TOTAL = 20


def weights(run: RunDir) -> dict[str, str]:
    """sha256 of the last checkpoint's weights and optimizer, and of the model."""
    last = checkpoints.directory(run.checkpoints, TOTAL)
    files = [last / "model.safetensors", last / "optimizer.pt", last / "rng_state.pth", run.model / "model.safetensors"]
    return {str(file.relative_to(run.path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def losses(run: RunDir, logged) -> list[tuple[int, float]]:
    """What a reader sees: points of an older attempt that a resume went back over are superseded."""
    points: dict[int, float] = {}
    for event in sorted(logged(run, "step") + logged(run, "resumed"), key=lambda event: event.seq):
        if event.type == "resumed":
            points = {step: loss for step, loss in points.items() if step <= event.step}
        else:
            points[event.step] = event.scalars["train/loss"]
    return sorted(points.items())


@pytest.fixture
def uninterrupted(runs):
    run = runs.make("whole", *UNEVEN)
    assert runs.train(run).state == "completed"
    return run


def test_a_run_stopped_at_random_steps_ends_with_the_same_bits(runs, uninterrupted, logged):
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")
    _stopped_at(sorted(random.Random(seed).sample(range(1, TOTAL), 3)), runs, uninterrupted, logged)


def test_a_run_stopped_at_its_first_step_and_again_at_the_next_ends_with_the_same_bits(runs, uninterrupted, logged):
    _stopped_at([1, 2, TOTAL - 1], runs, uninterrupted, logged)


def _stopped_at(stops, runs, uninterrupted, logged):
    run = runs.make("stopped", *UNEVEN)
    for step in stops:
        ended = runs.train(run, stop_at=step)
        assert (ended.state, ended.reason) == ("stopped", f"asked to at step {step}")
        assert checkpoints.newest_sealed(run.checkpoints) == checkpoints.directory(run.checkpoints, step)
    assert runs.train(run).state == "completed"
    assert weights(run) == weights(uninterrupted)
    assert losses(run, logged) == losses(uninterrupted, logged)
    assert [event.step for event in logged(run, "resumed")] == stops


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(runs, uninterrupted, logged):
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    run = runs.make("killed", *UNEVEN)
    for attempt in (1, 2):
        trainer = runs.start(run, WORKBENCH_ATTEMPT=str(attempt))
        wanted = chance.randrange(1, TOTAL)
        while trainer.poll() is None and not _reached(run, logged, attempt, wanted):
            time.sleep(0.01)
        time.sleep(chance.random() * 0.2)
        trainer.send_signal(signal.SIGKILL)
        trainer.wait()
    assert runs.train(run).state == "completed"
    assert weights(run) == weights(uninterrupted)
    assert losses(run, logged) == losses(uninterrupted, logged)


def _reached(run, logged, attempt, step):
    return any(event.attempt == attempt and event.step >= step for event in logged(run, "step"))


def test_a_checkpoint_that_was_changed_is_passed_over_for_the_one_before(runs, uninterrupted, logged):
    run = runs.make("torn", *UNEVEN)
    runs.train(run, stop_at=7)
    newest = checkpoints.newest_sealed(run.checkpoints)
    file = newest / "optimizer.pt"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    assert runs.train(run).state == "completed"
    assert [event.step for event in logged(run, "resumed")] == [6]
    (warning,) = [event for event in logged(run, "warning") if event.code == "checkpoint-corrupt"]
    assert "step-7" in warning.text
    assert "step-6 is used instead" in warning.text
    assert weights(run) == weights(uninterrupted)


def test_what_differs_is_named_and_refused_until_it_is_accepted(runs, monkeypatch, logged):
    run = runs.make("changed", *UNEVEN)
    runs.train(run, stop_at=3)
    runs.change(run, *UNEVEN, "train.learning_rate=1e-4", "train.batch_size=5")
    with pytest.raises(BadInput) as refused:
        runs.train(run)
    assert refused.value.exit_code == 2
    assert "train.learning_rate was 0.005 and is now 0.0001" in refused.value.sentence
    assert "a step took 8 rows and would now take 10" in refused.value.sentence
    assert "--accept batch,recipe" in refused.value.sentence
    monkeypatch.setenv("WORKBENCH_ACCEPT", "recipe")
    with pytest.raises(BadInput, match="--accept batch"):
        runs.train(run)
    monkeypatch.setenv("WORKBENCH_ACCEPT", "recipe,batch")
    assert runs.train(run).state == "completed"
    assert any("learning_rate" in said for said in logged(run, "resumed")[-1].differences)


def test_other_rows_are_not_the_same_run(runs, reviews, tmp_path):
    own = tmp_path / "own.jsonl"
    own.write_text((reviews / "train.jsonl").read_text())
    run = runs.make("rows", *UNEVEN, f"data.train={own}")
    runs.train(run, stop_at=3)
    own.write_text(own.read_text().replace("positive", "negative", 1))
    with pytest.raises(BadInput, match="the rows of train are not the ones"):
        runs.train(run)


def test_early_stopping_remembers_how_long_it_has_waited(runs, logged):
    # Learning nothing at all, nothing gets better after the first evaluation.
    frozen = ("train.learning_rate=1e-12", "train.early_stopping_patience=3", "train.early_stopping_threshold=0.1")
    run = runs.make("patient", "evaluate.every=2", *frozen)
    runs.train(run, stop_at=5)
    ended = runs.train(run)
    assert ended.state == "completed"
    assert [event.step for event in logged(run, "eval") if event.split == "validation"] == [
        2,
        4,
        6,
        8,
    ]
    # Ended is ended: going on once more trains no further.
    assert runs.train(run).state == "completed"
    assert max(event.step for event in logged(run, "step")) == 8


def test_a_run_with_no_checkpoint_yet_begins_anew_and_says_so(runs, uninterrupted, logged):
    run = runs.make("early", *UNEVEN)

    class Cut(Exception):
        pass

    with pytest.raises(Cut):
        runs.train(run, journal=_dying(run, Cut, at=2))
    assert runs.train(run).state == "completed"
    assert [event.step for event in logged(run, "resumed")] == [0]
    assert losses(run, logged) == losses(uninterrupted, logged)


def _dying(run, fault, *, at):
    from workbench.train.run_log import LogJournal

    class Dying(LogJournal):
        def write(self, event):
            super().write(event)
            if event.type == "step" and event.step == at:
                raise fault

    return Dying(run.events, attempt=1)


def test_a_stop_asked_for_during_an_evaluation_does_not_wait_for_it(runs, uninterrupted, logged):
    run = runs.make("midway", *UNEVEN)
    # Step 8 is one that is judged.
    assert runs.train(run, stop_at=8).state == "stopped"
    assert [event.step for event in logged(run, "eval")] == [4]
    assert runs.train(run).state == "completed"
    assert weights(run) == weights(uninterrupted)
    judged = [(event.split, event.step, event.scalars) for event in logged(run, "eval")]
    assert judged == [(event.split, event.step, event.scalars) for event in logged(uninterrupted, "eval")]


def test_a_run_of_batches_by_tokens_goes_on_exactly(runs, logged):
    by_tokens = (*UNEVEN, "train.batch_tokens=60")
    whole, stopped = runs.make("tokens", *by_tokens), runs.make("tokens-stopped", *by_tokens)
    assert runs.train(whole).state == "completed"
    total = logged(whole, "plan")[0].total_steps
    (data,) = logged(whole, "data")
    assert logged(whole, "step")[-1].tokens == 2 * data.splits["train"].tokens
    for step in (2, total // 2 + 1):
        assert runs.train(stopped, stop_at=step).state == "stopped"
    assert runs.train(stopped).state == "completed"
    assert losses(stopped, logged) == losses(whole, logged)
    ends = [(run.model / "model.safetensors").read_bytes() for run in (whole, stopped)]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_collator_that_draws_random_numbers_draws_the_same_again(runs, monkeypatch, workers):
    plain = task.TASK
    drawing = replace(plain, draws=True, collator=lambda *parts: Blotting(plain.collator(*parts)))
    monkeypatch.setattr(task, "TASK", drawing)
    options = (*UNEVEN, f"train.workers={workers}")
    whole, stopped = runs.make("drawn", *options), runs.make("drawn-stopped", *options)
    assert runs.train(whole).state == "completed"
    for step in (4, 13):
        assert runs.train(stopped, stop_at=step).state == "stopped"
    assert runs.train(stopped).state == "completed"
    assert weights(stopped) == weights(whole)


class Blotting:
    """Replaces tokens at random, with every generator there is."""

    def __init__(self, collator):
        self.collator = collator

    def __call__(self, items):
        batch = self.collator(items)
        blots = torch.rand(batch["input_ids"].shape) < random.random() * 0.5
        batch["input_ids"][blots] = int(np.random.randint(4, 20))
        return batch
