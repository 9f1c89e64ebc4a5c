"""Two processes on one machine: one log, one model, and a stop that both obey."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from workbench.core.errors import WorkbenchError
from workbench.train import checkpoints
from workbench.train.ranks import Ranks


def launch(run, **environment):
    argv = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0"]
    env = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen([sys.executable, *argv, "-m", "workbench.train", str(run.path)], env=env)


def test_two_ranks_train_stop_and_resume_as_one(runs, logged):
    options = ("launch.processes=2", "train.gradient_accumulation=1", "train.save_every=4", "evaluate.every=5")
    whole, stopped = runs.make("whole", *options), runs.make("stopped", *options)
    assert launch(whole).wait() == 0
    trainers = launch(stopped)
    while trainers.poll() is None and len(logged(stopped, "step")) < 3:
        time.sleep(0.005)
    stopped.stop_request.write_text('{"t": 0, "now": false}')
    assert trainers.wait() == 0
    assert logged(stopped, "finished")[-1].state == "stopped"
    stopped.stop_request.unlink()
    assert launch(stopped, WORKBENCH_ATTEMPT="2").wait() == 0

    for run in (whole, stopped):
        assert logged(run, "finished")[-1].state == "completed"
        assert logged(run, "plan")[-1].processes == 2
        sequence = [event.seq for event in logged(run, "step")]
        assert sequence == sorted(set(sequence))
    judged = logged(whole, "eval")[0]
    assert sum(map(sum, judged.confusion)) == 20
    last = checkpoints.newest_sealed(whole.checkpoints).name
    weights = [(run.checkpoints / last / "model.safetensors").read_bytes() for run in (whole, stopped)]
    assert weights[0] == weights[1]
    again = {event.step: event.scalars for event in logged(stopped, "step")}
    assert again == {event.step: event.scalars for event in logged(whole, "step")}


def test_a_process_that_finds_itself_alone_does_not_go_on_alone():
    with pytest.raises(WorkbenchError, match="2 processes were asked for and 1 are there"):
        Ranks(0, 1).joined(2)


def test_alone_every_question_answers_itself():
    ranks = Ranks(0, 1).joined(1)
    assert ranks.any(True, False) == [True, False]
    assert ranks.gather("part") == ["part"]
    assert ranks.share("value") == "value"
