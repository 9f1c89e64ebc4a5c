"""Runs in processes of their own: watched, measured beforehand, and told apart however they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import gpu_tasks
import pytest
import torch
from gpu_runs import DEVICE, ON_CARD, end_of, give_back, of_type, until

from workbench.contracts import events
from workbench.core.rundir import RunDir
from workbench.core.supervisor_record import Record
from workbench.runs.spawn import launch

TRAINER = Path(__file__).with_name("limited_trainer.py")
ENDLESS = ("train.max_steps=1000000", "evaluate.every=never", "train.save_every=never")


def workbench(home, *words):
    """What the command line writes, which has to go well."""
    command = [sys.executable, "-m", "workbench", "--home", str(home.path), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def system(run):
    """The supervisor's readings since the first step was logged."""
    began = of_type(run, "step")[:1]
    readings = (event for event in events.read_all(run.supervisor_log) if event.type == "system")
    return [event.scalars for event in readings if began and event.t > began[0].t]


def test_a_run_is_watched_and_a_killed_one_says_so(runs, rows, tmp_path, record_property):
    recipe = rows / f"{tmp_path.name}.toml"
    recipe.write_text(gpu_tasks.recipe("text-classification"))
    changes = [word for change in (f"launch.device={DEVICE}", *ENDLESS) for word in ("--set", change)]
    started = json.loads(workbench(runs.home, "run", str(recipe), *changes, "--json"))
    run = RunDir(Path(started["dir"]))
    reading = until(lambda: system(run))[-1]
    assert reading["system/memory"] > 100 << 20
    trainer = Record.read(run).trainer
    assert trainer.send(signal.SIGKILL)
    end = end_of(run)
    assert (end["state"], end["signal"]) == ("killed", 9), end
    assert end["reason"] == "killed by SIGKILL, which workbench did not send"
    if ON_CARD:
        readings = {key: value for key, value in reading.items() if key.startswith("system/gpu")}
        record_property("NVML", readings)
        kinds = {key.rpartition("/")[2] for key in readings}
        assert kinds >= {"utilization", "memory"}, f"NVML said nothing of the card: {reading}"
        assert max(value for key, value in readings.items() if key.endswith("/memory")) > 100 << 20


def test_a_run_out_of_memory_says_how_much_and_what_to_do(card, runs, rows, record_property):
    gpu_tasks.long_texts(rows, rows=128, shortest=128, longest=160)
    text = gpu_tasks.recipe_for_long_texts(width=256, layers=4, length=128)
    run = runs.make("text-classification", "train.batch_size=128", "train.oom_recovery=false", text=text)
    launch(run, trainer=[sys.executable, "-P", str(TRAINER), str(run.path), str(300 << 20)])
    end = end_of(run)
    record_property("reason", end["reason"])
    assert (end["state"], end["exit_code"]) == ("failed", 1), end
    assert end["reason"].startswith("CUDA out of memory, "), end
    assert "that this process may take" in end["reason"]
    assert "train.activation_checkpointing" in end["reason"]
    assert "OutOfMemoryError" in end["traceback"]


NO_ROWS_ARE_ADDED = """\
from workbench.models import vocabulary

vocabulary.grow = lambda model, tokenizer: None
"""


@pytest.fixture
def short_table(runs, trained, tmp_path, monkeypatch):
    """A run whose tokenizer knows words that the model's embeddings have no rows for, and which gets none for them."""
    from transformers import AutoTokenizer

    from workbench.models import vocabulary

    monkeypatch.setattr(vocabulary, "grow", lambda model, tokenizer: None)
    (tmp_path / "sitecustomize.py").write_text(NO_ROWS_ARE_ADDED)  # for a trainer in a process of its own
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    model = tmp_path / "short-table"
    base = trained("text-classification").model
    model.symlink_to(base)
    larger = AutoTokenizer.from_pretrained(base)
    assert larger.add_tokens(["ained", "obod"]) == 2
    larger.save_pretrained(tmp_path / "larger")
    head, data = gpu_tasks.recipe("text-classification").split("[model]")
    named = f'[model]\nname = "{model}"\ntokenizer = "{tmp_path / "larger"}"\n[data]'
    return runs.make("text-classification", text=head + named + data.partition("[data]")[2])


def test_an_index_outside_a_table_is_told_from_other_failures(runs, short_table, record_property):
    if not ON_CARD:
        # The same fault: on a CPU torch names it at once.
        with pytest.raises(IndexError, match="index out of range"):
            runs.train(short_table)
        return
    launch(short_table)
    end = end_of(short_table)
    record_property("reason", end["reason"])
    assert end["state"] == "failed", end
    assert end["reason"].startswith("an assertion failed on the GPU"), end
    assert "token id outside the model's embeddings" in end["reason"]
    assert "CUDA_LAUNCH_BLOCKING=1" in end["reason"]


@pytest.mark.alone
def test_what_check_measures_is_what_the_run_takes(card, runs, rows, record_property):
    gpu_tasks.long_texts(rows, rows=960, shortest=128, longest=160)
    recipe = rows / "base.toml"
    text = gpu_tasks.recipe_for_long_texts(width=768, layers=12, length=128)
    recipe.write_text(text)
    changes = ["launch.device=cuda", "train.batch_size=32", "train.max_steps=300", "train.save_every=100"]
    changes += ["evaluate.every=300"]
    give_back()
    asked = [word for change in changes for word in ("--set", change)]
    measured = json.loads(workbench(runs.home, "check", str(recipe), *asked, "--measure", "--json"))["measured"]
    run = runs.make("text-classification", *changes, text=text)
    launch(run)
    end = end_of(run)
    assert end["state"] == "completed", end
    # The host runs ahead of the card; at a checkpoint it has waited for it.
    first, second, _ = of_type(run, "checkpoint")
    seconds = (second.t - second.seconds - first.t) / 100
    held = of_type(run, "finished")[-1].peak_memory
    found = [f"{1000 * measured[name]:.1f}" for name in ("step_seconds", "typical_seconds")]
    record_property("a step", f"{found[0]} ms measured ({found[1]} on average), {1000 * seconds:.1f} ms taken")
    record_property("peak", f"{measured['peak_memory'] / 2**30:.2f} GiB measured, {held / 2**30:.2f} GiB taken")
    assert measured["batch"] == {"rows": 32, "tokens": 128}
    assert measured["peak_memory"] == pytest.approx(held, rel=0.1)
    assert measured["step_seconds"] == pytest.approx(seconds, rel=0.1)


def test_two_cards_train_together_what_one_trains(runs):
    if torch.cuda.device_count() < 2:
        pytest.skip(f"it needs two cards and there are {torch.cuda.device_count()}")
    same = ("model.dropout=0", "train.learning_rate=1e-3")
    one = runs.completed("causal-lm", *same, "train.batch_size=8")
    two = runs.make("causal-lm", *same, "train.batch_size=4", "launch.processes=2")
    launch(two)
    end = end_of(two)
    assert end["state"] == "completed", end
    found = [[event.scalars["train/loss"] for event in of_type(run, "step")] for run in (one, two)]
    assert found[1] == pytest.approx(found[0], rel=1e-2)
