"""What training takes is tried before it begins, and nothing is left of the trial."""

from __future__ import annotations

import pytest

from workbench.contracts import events
from workbench.core.home import Home
from workbench.tasks.experiment import Experiment
from workbench.train.measure import measure


def test_the_longest_batch_an_evaluation_and_a_save_are_tried(runs, tmp_path):
    home = Home(tmp_path / "home").ensure()
    before = sorted(path.name for path in home.path.iterdir())
    found = measure(Experiment.read(runs.text, ["data.max_length=40"], search=[tmp_path]), home)
    assert found.batch.rows == 4
    assert 15 < found.batch.tokens <= 40
    # 75 rows, 4 a batch, 2 batches a step, 2 epochs.
    assert found.steps == 20
    assert found.eta_seconds == pytest.approx(20 * found.typical_seconds)
    assert found.typical_seconds > 0
    assert found.step_seconds > 0
    assert found.evaluation_seconds > 0
    assert found.save_seconds > 0
    # Weights, and two moments of each, in fp32.
    assert found.save_bytes > 3 * 4 * 20_000
    assert found.disk.needed > 4 * found.save_bytes
    assert found.peak_memory > 1_000_000
    assert sorted(path.name for path in home.path.iterdir()) == before


def test_batches_by_tokens_are_tried_as_they_come(runs, tmp_path):
    home = Home(tmp_path / "home").ensure()
    found = measure(Experiment.read(runs.text, ["train.batch_tokens=60"], search=[tmp_path]), home)
    assert found.batch.rows * found.batch.tokens <= 60
    run = runs.make("by-tokens", "train.batch_tokens=60")
    runs.train(run, stop_at=1)
    (plan,) = [event for event in events.read_all(run.events) if event.type == "plan"]
    assert found.steps == plan.total_steps


def test_the_data_event_carries_the_report_once(runs, logged):
    run = runs.make("told")
    runs.train(run, stop_at=2)
    runs.train(run)
    first, second = (event.fields() for event in logged(run, "data"))
    assert first["report"]["train"]["labels"] == {"negative": 38, "positive": 37}
    assert first["ledger"]["max_length"]["sampled"] == 75
    assert "report" not in second
