"""What a trainer is started with: its command and its environment."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from workbench.core.rundir import RunDir
from workbench.runs.engines import local, trainer_environment
from workbench.runs.engines.available import engine_for
from workbench.runs.engines.engine import Job, LaunchFacts
from workbench.runs.gpus import Gpus, chosen


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path / "abc")


def job(run, environ=None, **launch):
    return Job(run, 2, LaunchFacts(**launch), environ=environ or {"PATH": "/bin"})


def argv(job):
    """The command of the engine that suits the launch."""
    return engine_for(job.launch)[1].argv(job)


def env(*words, **launch):
    return trainer_environment.environment(job(*words, **launch))


def test_one_process_is_started_directly(run):
    assert argv(job(run)) == [sys.executable, "-P", "-m", "workbench.train", str(run.path)]


def test_several_are_started_by_torch_without_restarts_of_its_own(run):
    assert argv(job(run, processes=2)) == [
        sys.executable, "-P", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0",
        "-m", "workbench.train", str(run.path),
    ]  # fmt: skip


def test_the_environment_is_quiet_offline_and_tagged(run):
    found = env(run)
    assert found["PATH"] == "/bin"
    assert found["HF_HUB_OFFLINE"] == found["HF_HUB_DISABLE_TELEMETRY"] == found["PYTHONUNBUFFERED"] == "1"
    assert found["TOKENIZERS_PARALLELISM"] == "false"
    assert (found["WORKBENCH_RUN_ID"], found["WORKBENCH_ATTEMPT"]) == ("abc", "2")
    assert "OMP_NUM_THREADS" not in found
    assert "CUDA_VISIBLE_DEVICES" not in found


def test_a_recipe_that_needs_a_download_may_reach_the_hub(run):
    assert "HF_HUB_OFFLINE" not in env(run, download=True)


def test_the_recipe_says_threads_device_and_variables(run):
    found = env(run, threads=3, device="cpu", env={"A": "1", "PYTHONUNBUFFERED": "0"})
    assert (found["OMP_NUM_THREADS"], found["CUDA_VISIBLE_DEVICES"]) == ("3", "")
    assert (found["A"], found["PYTHONUNBUFFERED"]) == ("1", "0")


@pytest.mark.parametrize(("load", "policy"), [(0.1, None), (64.0, "passive")])
def test_threads_do_not_spin_on_processors_that_others_use(run, monkeypatch, load, policy):
    monkeypatch.setattr(trainer_environment.os, "getloadavg", lambda: (load, load, load))
    monkeypatch.setattr(trainer_environment.os, "cpu_count", lambda: 8)
    assert env(run).get("OMP_WAIT_POLICY") == policy


def test_nothing_can_change_whose_run_it_is(run):
    environ = {"WORKBENCH_RUN_ID": "outer", "WORKBENCH_ACCEPT": "data", "RANK": "3", "WORLD_SIZE": "8"}
    found = env(run, environ, env={"WORKBENCH_ATTEMPT": "9"})
    assert (found["WORKBENCH_RUN_ID"], found["WORKBENCH_ATTEMPT"]) == ("abc", "2")
    assert not {"RANK", "WORLD_SIZE", "WORKBENCH_ACCEPT"} & set(found)


def test_a_file_in_the_working_directory_cannot_stand_in_for_a_library(tmp_path):
    (tmp_path / "psutil.py").write_text("raise SystemExit('the wrong one was imported')")
    subprocess.run(local.argv(["-c", "import psutil"]), cwd=tmp_path, check=True)


class Nvml:
    """Two pretended GPUs, one without a power meter."""

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle}abc"

    def nvmlDeviceGetUtilizationRates(self, handle):
        return SimpleNamespace(gpu=40 + handle)

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(used=2**30)

    def nvmlDeviceGetPowerUsage(self, handle):
        if handle:
            raise self.NVMLError("not supported")
        return 70_500

    def nvmlInit(self):
        pass


@pytest.mark.parametrize(
    ("visible", "indices"),
    [(None, [0, 1]), ("1", [1]), ("0,1", [0, 1]), ("GPU-1", [1]), (" 0 ", [0]), ("-1", []), ("7", [])],
)
def test_only_the_gpus_the_trainer_sees_are_read(visible, indices):
    assert list(chosen(Nvml(), visible)) == indices


def test_a_gpu_tells_what_it_can(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    assert Gpus(None).read() == {
        "system/gpu0/utilization": 40.0,
        "system/gpu0/memory": 2.0**30,
        "system/gpu0/power": 70.5,
        "system/gpu1/utilization": 41.0,
        "system/gpu1/memory": 2.0**30,
    }


def test_without_a_gpu_there_are_no_readings():
    assert Gpus("").read() == {}
