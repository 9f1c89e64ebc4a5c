"""What training with us costs: against a bare Trainer with the same settings, and against the tutorial's script.

    pytest tests/benchmarks/test_trainer_speed.py -m benchmark -s

The whole counts: reading, tokenizing, training an epoch, judging it, a checkpoint and the weights. What the steps alone
cost is in `test_task_speed.py`, task by task.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path

import pytest
import training_rows
from trainer_scripts import Script, script
from training_race import alone, median, ours, precision_of, race

pytestmark = pytest.mark.benchmark

RACES = 5
RECIPE = """
name = "speed"
task = "text-classification"
[model]
name = "builtin:minilm"
[data]
train = "train.jsonl"
validation = "validation.jsonl"
max_length = 512
[train]
epochs = 1
batch_size = 8
learning_rate = 3e-4
[launch]
device = "cpu"
threads = 1
"""


def bare(place: Path, name: str) -> Script:
    """Trainer alone, with the settings of a run."""
    from workbench.models.locate import minilm_directory

    return Script("text-classification", place, name, str(minilm_directory()), precision_of(RECIPE))


def tutorial(place: Path, name: str) -> Script:
    """Trainer alone as the tutorial has it: every row padded to 512 tokens, and fp32."""
    return replace(bare(place, name), precision="fp32", same=False, padded=True)


@pytest.mark.timeout(1800)
def test_a_run_takes_no_longer_than_a_bare_trainer_script(tmp_path: Path):
    training_rows.write(tmp_path, training_rows.short_reviews(320, 80))
    alone(ours(tmp_path, "warm", RECIPE, "train.max_steps=2"))
    raced = [
        race([script(bare(tmp_path, f"bare-{number}")), ours(tmp_path, f"ours-{number}", RECIPE)])
        for number in range(RACES)
    ]
    theirs, mine = (median(laps, lambda lap: lap.whole.cpu) for laps in zip(*raced, strict=True))
    print(f"\nours / bare Trainer, same settings: {mine / theirs:.3f} (budget 1.01); CPU {mine:.1f} s / {theirs:.1f} s")
    assert mine / theirs < 1.05


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("kind", "budget"), [("short", 20), ("long", 2)])
def test_a_run_is_many_times_faster_than_the_tutorial(tmp_path: Path, kind: str, budget: float):
    rows = training_rows.short_reviews(160, 80) if kind == "short" else training_rows.long_reviews()
    training_rows.write(tmp_path, rows)
    alone(ours(tmp_path, "warm", RECIPE, "train.max_steps=2"))
    theirs, mine = race([script(tutorial(tmp_path, "tutorial")), ours(tmp_path, "ours", RECIPE, score="eval/accuracy")])
    found = theirs.whole.cpu / mine.whole.cpu
    print(f"\ntutorial / ours on {kind} texts: {found:.1f} (budget {budget})", end="; ")
    print(f"CPU {theirs.whole.cpu:.1f} s / {mine.whole.cpu:.1f} s", end="; ")
    print(f"accuracy {theirs.score:.3f} / {mine.score:.3f}")
    assert found > 0.8 * budget
    assert mine.score > theirs.score - 0.1


def test_logging_costs_a_step_little(tmp_path):
    import torch

    from workbench.train.meter import Meter, Step
    from workbench.train.ranks import Ranks
    from workbench.train.run_log import LogJournal
    from workbench.train.stopping import StopRequest

    journal, stop, ranks = LogJournal(tmp_path / "events.jsonl", attempt=1), StopRequest(tmp_path / "stop"), Ranks(0, 1)
    meter = Meter(journal, ranks, on_gpu=False)
    loss, norm = torch.tensor(0.5), torch.tensor(1.0)
    costs = []
    for _ in range(20):
        started = time.process_time()
        for number in range(500):
            # What a run does after each of its steps where nothing is due.
            meter.add(Step(number, 0.5, time.time(), 1e-3, loss, norm, 512))
            if any(ranks.any(stop.reason is not None, meter.due)):
                meter.flush()
        costs.append((time.process_time() - started) / 500 * 1e6)
    print(f"\nlogging: {statistics.median(costs):.1f} µs a step (budget 50)")
    assert statistics.median(costs) < 100
