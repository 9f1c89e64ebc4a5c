"""What a trainer is started with: its command and its environment."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from workbench.core.rundir import RunDir
from workbench.runs.engines import local
from workbench.runs.gpus import Gpus, chosen

FACTS = {"recipe": {"launch": {"processes": 1, "threads": None, "device": "auto", "env": {}}}}


def facts(download=False, **launch):
    return {"download": download, "recipe": {"launch": FACTS["recipe"]["launch"] | launch}}


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path / "abc")


def built(run, known, environ=None, **more):
    return local.command(run, known, attempt=2, environ=environ or {"PATH": "/bin"}, **more)


def test_one_process_is_started_directly(run):
    command = built(run, facts())
    assert command.argv == [sys.executable, "-P", "-m", "workbench.train", str(run.path)]
    assert not command.several


def test_several_are_started_by_torch_without_restarts_of_its_own(run):
    command = built(run, facts(processes=2))
    assert command.argv == [
        sys.executable, "-P", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0",
        "-m", "workbench.train", str(run.path),
    ]  # fmt: skip
    assert command.several


def test_the_environment_is_quiet_offline_and_tagged(run):
    env = built(run, facts()).env
    assert env["PATH"] == "/bin"
    assert env["HF_HUB_OFFLINE"] == env["HF_HUB_DISABLE_TELEMETRY"] == env["PYTHONUNBUFFERED"] == "1"
    assert env["TOKENIZERS_PARALLELISM"] == "false"
    assert (env["WORKBENCH_RUN_ID"], env["WORKBENCH_ATTEMPT"]) == ("abc", "2")
    assert "OMP_NUM_THREADS" not in env
    assert "CUDA_VISIBLE_DEVICES" not in env


def test_a_recipe_that_needs_a_download_may_reach_the_hub(run):
    assert "HF_HUB_OFFLINE" not in built(run, facts(download=True)).env


def test_the_recipe_says_threads_device_and_variables(run):
    env = built(run, facts(threads=3, device="cpu", env={"A": "1", "PYTHONUNBUFFERED": "0"})).env
    assert (env["OMP_NUM_THREADS"], env["CUDA_VISIBLE_DEVICES"]) == ("3", "")
    assert (env["A"], env["PYTHONUNBUFFERED"]) == ("1", "0")


@pytest.mark.parametrize(("load", "policy"), [(0.1, None), (64.0, "passive")])
def test_threads_do_not_spin_on_processors_that_others_use(run, monkeypatch, load, policy):
    monkeypatch.setattr(local.os, "getloadavg", lambda: (load, load, load))
    monkeypatch.setattr(local.os, "cpu_count", lambda: 8)
    assert built(run, facts()).env.get("OMP_WAIT_POLICY") == policy


def test_nothing_can_change_whose_run_it_is(run):
    environ = {"WORKBENCH_RUN_ID": "outer", "WORKBENCH_ACCEPT": "data", "RANK": "3", "WORLD_SIZE": "8"}
    env = built(run, facts(env={"WORKBENCH_ATTEMPT": "9"}), environ).env
    assert (env["WORKBENCH_RUN_ID"], env["WORKBENCH_ATTEMPT"]) == ("abc", "2")
    assert not {"RANK", "WORLD_SIZE", "WORKBENCH_ACCEPT"} & set(env)


def test_a_file_in_the_working_directory_cannot_stand_in_for_a_library(tmp_path):
    (tmp_path / "psutil.py").write_text("raise SystemExit('the wrong one was imported')")
    subprocess.run(local.argv(1, ["-c", "import psutil"]), cwd=tmp_path, check=True)


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
