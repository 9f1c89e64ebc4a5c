"""The suite for a card, and its rehearsal without one.

    pytest tests/gpu -n 6        on a machine with an NVIDIA card: all of it, on that card
    pytest tests/gpu -n 2        elsewhere: the same tests on the CPU, few of each kind, smallest sizes

On a bare machine: `. .gpu/enter.sh && python3 -m pytest tests/gpu -n 6 --dist worksteal`. On a CPU
WORKBENCH_GPU_TESTS=whole runs every variant that a CPU can. Every test stands alone; one that measures time waits until
no other is at work. How long each took, what was measured, and what was skipped and why stand in tables at the end.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import gpu_tasks
import torch
from gpu_runs import ON_CARD, WHOLE, Runs

from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.lab.client import Lab
from workbench.runs.engines.run_processes import tagged

HERE = "tests/gpu/"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`task` is each of the six on a card; in the rehearsal one of each kind of model."""
    if "task" in metafunc.fixturenames:
        tasks = gpu_tasks.TASKS if WHOLE else ("text-classification", "causal-lm", "seq2seq")
        metafunc.parametrize("task", tasks)


@pytest.fixture
def card() -> None:
    if not ON_CARD:
        pytest.skip("only a card can show it, and there is none here")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("WORKBENCH_ACCEPT", raising=False)


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gpu_tasks.write(tmp_path_factory.mktemp("rows"))


@pytest.fixture
def runs(tmp_path: Path, rows: Path) -> Iterator[Runs]:
    made = Runs(Home(tmp_path / "home"), rows)
    yield made
    for path in made.home.runs.glob("*"):
        for process in tagged(RunDir(path)):
            process.send(9)


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory, rows: Path) -> Runs:
    """Runs that several tests look at."""
    return Runs(Home(tmp_path_factory.mktemp("lasting") / "home"), rows)


@pytest.fixture(scope="session")
def trained(lasting: Runs) -> Any:
    """`trained(task)`: the run of a task in fp32, trained once."""
    found: dict[str, RunDir] = {}

    def whole(task: str) -> RunDir:
        if task not in found:
            found[task] = lasting.completed(task)
        return found[task]

    return whole


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    real = Lab(home=tmp_path_factory.mktemp("lab"))
    yield real
    real.close()


# Who measures time must be alone on the card, also where pytest-xdist runs several tests at once.


@pytest.fixture(autouse=True)
def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Shared with the other tests; a test marked `alone` waits until they have left, and they wait for it."""
    base = tmp_path_factory.getbasetemp()
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    alone = request.node.get_closest_marker("alone") is not None
    with ExitStack() as held:
        # Nobody enters the room past one that waits for it to be empty.
        with _locked(place / "door", fcntl.LOCK_EX):
            held.enter_context(_locked(place / "room", fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        yield


@contextmanager
def _locked(file: Path, how: int) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, how)
        yield


# What is told at the end.


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not ON_CARD and not any("tests/gpu" in str(argument) for argument in config.args):
        return
    reports = [
        report
        for kind in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(kind, [])
        if HERE in getattr(report, "nodeid", "")
    ]
    _table(terminalreporter, "seconds", _durations(reports))
    measured = [(_short(report), f"{name}: {value}") for report in reports for name, value in report.user_properties]
    _table(terminalreporter, "measured", measured)
    skipped = [(_short(report), _reason(report)) for report in reports if report.skipped]
    _table(terminalreporter, "skipped", skipped)


def _durations(reports: list[Any]) -> list[tuple[str, str]]:
    ran = sorted((report for report in reports if not report.skipped), key=lambda report: -report.duration)
    return [(_short(report), f"{report.duration:6.1f}  {report.outcome}") for report in ran]


def _short(report: Any) -> str:
    return report.nodeid.rpartition("/")[2].replace(".py::", ": ").replace("test_", "")


def _reason(report: Any) -> str:
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix("Skipped: ")


def _table(terminal: Any, name: str, lines: list[tuple[str, str]]) -> None:
    if lines:
        terminal.write_sep("-", f"tests/gpu: {name}")
        for test, told in lines:
            terminal.write_line(f"{test:<100} {told}")
