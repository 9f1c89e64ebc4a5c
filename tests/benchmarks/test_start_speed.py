"""How long a run takes to its first step, and what memory, at several sizes: against `load_dataset`, `map`, Trainer.

    WORKBENCH_BENCHMARK_ROWS=100000,300000,1000000 pytest tests/benchmarks/test_start_speed.py -m benchmark -s

Both are processes of one training thread that end after one step of MiniLM at 64 tokens; first with nothing kept, then
again. Seconds are CPU seconds of the whole process. Memory is what the process holds itself at its peak: pages of
mapped files, which the system takes back when it needs them, are not counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from workbench.core.home import Home
from workbench.runs.create import create
from workbench.tasks.experiment import Experiment

pytestmark = pytest.mark.benchmark

SIZES = [int(size) for size in os.environ.get("WORKBENCH_BENCHMARK_ROWS", "20000,60000,200000").split(",")]
RECIPE = """
name = "start"
task = "text-classification"
[model]
name = "builtin:minilm"
[data]
train = "rows.csv"
max_length = 64
[train]
max_steps = 1
batch_size = 32
save_every = "never"
[evaluate]
every = "never"
[launch]
device = "cpu"
threads = 1
"""


@dataclass(frozen=True)
class Start:
    """What a process took: CPU seconds, and bytes of memory at its peak."""

    cpu: float
    memory: int


def write(path: Path, rows: int) -> None:
    """Texts of 20 to 50 words whose frequencies follow Zipf's law, most of the distinct ones rare."""
    rng = np.random.default_rng(1)
    with path.open("w") as file:
        file.write("text,label\n")
        for start in range(0, rows, 20_000):
            lengths = rng.integers(20, 50, min(20_000, rows - start))
            words = [spelled(int(rank)) for rank in np.minimum(rng.zipf(1.25, int(lengths.sum())), 5_000_000)]
            bounds = np.cumsum(lengths)
            for length, end in zip(lengths, bounds, strict=True):
                file.write(f"{' '.join(words[end - length : end])},{'pos' if end % 2 else 'neg'}\n")


def spelled(rank: int) -> str:
    """A word for a rank: the commonest are the shortest."""
    word, rank = "", rank + 7
    while rank:
        word, rank = word + "bcdfghjklmnprstvwz"[rank % 18] + "aeiou"[rank // 18 % 5], rank // 90
    return word


def started(command: list[str]) -> Start:
    process = subprocess.Popen(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL)
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            try:
                peak[0] = max(peak[0], held(process.pid))
            except (OSError, psutil.Error):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    done.set()
    watcher.join()
    assert status == 0
    return Start(used.ru_utime + used.ru_stime, peak[0])


def held(pid: int) -> int:
    """Bytes that a process holds itself."""
    info = psutil.Process(pid).memory_info()
    return info.rss - info.shared


@pytest.mark.timeout(7200)
def test_a_run_begins_as_soon_as_a_plain_script_and_again_sooner(tmp_path: Path):
    print(f"\n{'rows':>10} {'':6} {'ours':>16} {'plain script':>16} {'ratio':>6}")
    found = {}
    for rows in SIZES:
        place = tmp_path / str(rows)
        place.mkdir()
        write(place / "rows.csv", rows)
        for which in ("first", "again"):
            run = create(Home(place / "home"), Experiment.read(RECIPE, search=[place]))
            ours = started([sys.executable, "-m", "workbench.train", str(run.path)])
            script = Path(__file__).with_name("plain_start.py")
            plain = started([sys.executable, str(script), str(place / "rows.csv"), str(place / "cache")])
            found[rows, which] = (ours, plain)
            said = (f"{one.cpu:5.1f} s {one.memory / 1e9:5.2f} GB" for one in (ours, plain))
            print(f"{rows:>10,} {which:6} {'  '.join(said)} {ours.cpu / plain.cpu:6.2f}")
    least, most = min(SIZES), max(SIZES)
    for which in ("first", "again"):
        growth = found[most, which][0].memory / found[least, which][0].memory
        print(f"memory {which}, {most:,} rows / {least:,} rows: {growth:.2f}")
    ours, plain = found[most, "first"]
    assert ours.cpu < plain.cpu
