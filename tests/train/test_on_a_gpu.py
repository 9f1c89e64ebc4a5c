"""What only a GPU can show: mixed precision, losses gathered in batches, exact resume of CUDA's state."""

from __future__ import annotations

import hashlib

import pytest
import torch

from workbench.rundir import RunDir

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device on this machine"),
]


def weights(run: RunDir) -> str:
    return hashlib.sha256((run.model / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "auto"])
def test_a_run_on_the_gpu_logs_every_step_and_learns(runs, logged, precision):
    run = runs.make(f"gpu-{precision}", "launch.device=cuda", f"train.precision={precision}", "train.epochs=3")
    assert runs.train(run).state == "completed"
    (plan,) = logged(run, "plan")
    assert plan.fields["device"] not in ("", "cpu")
    losses = [event.scalars["train/loss"] for event in logged(run, "step")]
    assert len(losses) == plan.fields["total_steps"]
    assert sum(losses[-5:]) < sum(losses[:5])


def test_a_stopped_run_goes_on_exactly_on_the_gpu(runs):
    whole = runs.make("gpu-whole", "launch.device=cuda", "train.precision=fp32")
    runs.train(whole)
    parted = runs.make("gpu-parted", "launch.device=cuda", "train.precision=fp32")
    assert runs.train(parted, stop_at=7).state == "stopped"
    parted.stop_request.unlink(missing_ok=True)
    assert runs.train(parted).state == "completed"
    assert weights(parted) == weights(whole)
