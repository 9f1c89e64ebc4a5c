"""Two ranks that train a language model from scratch: paused, struck and resumed, they end where they would have."""

import random

import psutil
import pytest
from runs_support import types
from survival_support import start, told_by_the_logs, wait_for_end, wait_for_step

from workbench.core.home import Home
from workbench.core.supervisor_record import Record
from workbench.runs import control
from workbench.runs.engines.run_processes import tagged
from workbench.train.checkpoints import newest_sealed, step_of

RECIPE = """\
# workbench run survival.toml
name = "two ranks"
task = "causal-lm"
[model]
architecture = "gpt2"
tokenizer = "bpe"
vocab_size = 300
[model.config]
n_layer = 2
n_head = 2
n_embd = 32
n_positions = 64
[data]
train = "text.txt"
holdout = 40
block_size = 32
[train]
max_steps = 36
batch_size = 4
gradient_accumulation = 2
save_every = 7
precision = "fp32"
[evaluate]
every = 10
[launch]
device = "cpu"
threads = 1
processes = 2
"""


@pytest.fixture
def two_ranks(tmp_path):
    draw = random.Random(0)
    words = RECIPE.split()
    lines = [" ".join(draw.choices(words, k=12)) for _ in range(400)]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    (tmp_path / "survival.toml").write_text(RECIPE)
    return tmp_path


@pytest.mark.timeout(900)
def test_two_ranks_paused_and_struck_end_with_the_same_weights(home: Home, two_ranks, chance):
    calm, struck = start(home, two_ranks), start(home, two_ranks)
    wait_for_step(struck, chance.randrange(2, 14))
    control.request_stop(struck)
    assert wait_for_end(struck)["state"] == "stopped"
    paused_at = step_of(newest_sealed(struck.checkpoints))
    control.resume(home, struck)
    wait_for_step(struck, chance.randrange(20, 30), attempt=2)
    ranks = psutil.Process(Record.read(struck).trainer_pid).children()
    next(rank for rank in ranks if rank.environ()["RANK"] == "1").kill()
    end = wait_for_end(struck)
    assert (end["state"], end["signal"]) == ("killed", 9)
    assert tagged(struck) == []
    control.resume(home, struck)
    for run in (calm, struck):
        assert wait_for_end(run)["state"] == "completed", run.console.read_text()[-3000:]
    assert types(struck.events, "resumed")[0].step == paused_at
    assert told_by_the_logs(struck) == told_by_the_logs(calm)
    weights = [(run.model / "model.safetensors").read_bytes() for run in (calm, struck)]
    assert weights[0] == weights[1]
