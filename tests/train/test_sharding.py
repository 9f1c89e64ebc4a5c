"""Weights divided among two processes learn what whole ones learn, and are saved whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from workbench.core.errors import RecipeError
from workbench.tasks import recipe_union as recipe
from workbench.train import checkpoints, optimizer_options

TWO = ("launch.processes=2", "train.gradient_accumulation=2", "train.precision=fp32", "model.dropout=0")
DIVIDED = (*TWO, 'launch.sharding="fsdp"', "train.save_every=4", "evaluate.every=5", "train.epochs=1")


def launch(run, **environment):
    argv = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0"]
    env = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen([sys.executable, *argv, "-m", "workbench.train", str(run.path)], env=env)


@pytest.fixture(scope="module")
def divided(make_runs):
    run = make_runs.make("divided", *DIVIDED)
    assert launch(run).wait() == 0
    return run


def test_divided_weights_learn_what_whole_ones_learn(make_runs, divided, logged):
    from transformers import AutoModelForSequenceClassification

    run = make_runs.make("whole", *DIVIDED, 'launch.sharding="none"')
    assert launch(run).wait() == 0
    for name in ("train/loss", "train/grad_norm"):
        mine, theirs = ([event.scalars[name] for event in logged(one, "step")] for one in (divided, run))
        assert mine == pytest.approx(theirs, rel=1e-4)
    first, second = (load_file(one.model / "model.safetensors") for one in (divided, run))
    assert first.keys() == second.keys()
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)
    model = AutoModelForSequenceClassification.from_pretrained(divided.model)
    assert model.config.architectures == ["BertForSequenceClassification"]


def test_a_divided_run_stopped_and_killed_goes_on_to_the_same_weights(make_runs, divided, logged):
    run = make_runs.make("parted", *DIVIDED)
    ranks = launch(run)
    while ranks.poll() is None and len(logged(run, "step")) < 2:
        time.sleep(0.005)
    run.stop_request.write_text('{"t": 0, "now": false}')
    assert ranks.wait() == 0
    run.stop_request.unlink()
    ranks = launch(run, WORKBENCH_ATTEMPT="2")
    while ranks.poll() is None and not any(event.attempt == 2 for event in logged(run, "step")):
        time.sleep(0.005)
    ranks.send_signal(signal.SIGKILL)
    ranks.wait()
    _end_of_ranks(run)
    assert launch(run, WORKBENCH_ATTEMPT="3").wait() == 0
    last = checkpoints.newest_sealed(divided.checkpoints).name
    ends = [one.checkpoints / last for one in (divided, run)]
    assert (ends[0] / "model.safetensors").read_bytes() == (ends[1] / "model.safetensors").read_bytes()
    moments = [torch.load(end / "optimizer.pt", weights_only=True)["state"] for end in ends]
    assert moments[0].keys() == moments[1].keys()
    for weight, state in moments[0].items():
        assert all(torch.equal(value, moments[1][weight][name]) for name, value in state.items()), weight


def _end_of_ranks(run):
    """Ranks outlive a launcher that is killed; here the trainer's lock tells when they are gone."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        if str(run.path) in (process.info["cmdline"] or []):
            process.kill()
            process.wait(20)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("launch.processes=1", "there is one process"),
        ("train.method=lora", "lora learns few weights"),
        ("train.l2=0.1", "penalties are not computed on divided weights"),
        ("train.optimizer=adafactor", "adafactor does not work on divided weights"),
    ],
)
def test_what_cannot_be_divided_is_said_before_training(runs, override, sentence):
    wanted = recipe.parse(runs.text, overrides=[*DIVIDED, override])
    assert any(sentence in problem for problem in optimizer_options.problems(wanted))
    with pytest.raises(RecipeError, match=r"launch\.sharding"):
        runs.train(runs.make("refused", *DIVIDED, override))
