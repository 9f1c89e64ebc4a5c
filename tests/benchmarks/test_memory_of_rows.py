"""What memory `check`, the trainer, the lab and `predict` take at several sizes of one file of short texts.

    WORKBENCH_BENCHMARK_ROWS=100000,1000000,10000000 pytest tests/benchmarks/test_memory_of_rows.py -m benchmark -s

Both figures are summed over the process and its children at their peak: "own" leaves out the pages of mapped files,
which the system takes back when it needs them; "resident" counts them, and a page that two processes share twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from test_start_speed import RECIPE

from workbench.core.home import Home
from workbench.runs.create import create
from workbench.tasks.experiment import Experiment

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

SIZES = [int(size) for size in os.environ.get("WORKBENCH_BENCHMARK_ROWS", "20000,200000").split(",")]
MOST = 1.1  # times the memory of the smallest size
EVERY = 0.05  # seconds between two looks
WORDS = ["the", "a", "film", "plot", "is", "was", "very", "rather", "dull", "bright", "long", "short", "and", "but"]
PAGED = """
import sys
from workbench.contracts.lab.data_requests import DataPage, RowsOf
from workbench.lab.client import Lab

lab = Lab()
try:
    rows = RowsOf("source", sys.argv[1])
    last = lab.ask(DataPage(rows, "train", offset=int(sys.argv[2]) - 100))
    found = lab.ask(DataPage(rows, "train", search=sys.argv[3]))
    assert last.rows and found.rows
finally:
    lab.close()
"""


@dataclass(frozen=True)
class Peak:
    """Bytes, and seconds of CPU of the process and those it waited for."""

    own: int
    resident: int
    cpu: float


def write(path: Path, rows: int) -> None:
    """No two rows are alike: each ends with its number."""
    with path.open("w") as file:
        file.write("text,label\n")
        for row in range(rows):
            words = (WORDS[row * step % len(WORDS)] for step in range(1, 5 + row % 11))
            file.write(f"{' '.join(words)} {row},{'pos' if row % 2 else 'neg'}\n")


def watched(command: list[str]) -> Peak:
    """Run a command to its end and look at its processes meanwhile. It must end well."""
    process = subprocess.Popen(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL)
    own = resident = 0
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            return Peak(own, resident, usage.ru_utime + usage.ru_stime)
        now = held(process.pid)
        own, resident = max(own, now[0]), max(resident, now[1])
        time.sleep(EVERY)


def held(pid: int) -> tuple[int, int]:
    """Bytes that a process and its children hold themselves, and that are resident."""
    own = resident = 0
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0, 0
    for process in processes:
        try:
            info = process.memory_info()
        except psutil.Error:
            continue
        own, resident = own + info.rss - info.shared, resident + info.rss
    return own, resident


def check(place: Path, rows: int) -> list[str]:
    (place / "recipe.toml").write_text(RECIPE)
    return [sys.executable, "-m", "workbench", "check", str(place / "recipe.toml")]


def train(place: Path, rows: int) -> list[str]:
    run = create(Home(place / "home"), Experiment.read(RECIPE, search=[place]))
    return [sys.executable, "-m", "workbench.train", str(run.path)]


def page(place: Path, rows: int) -> list[str]:
    return [sys.executable, "-c", PAGED, str(place / "rows.csv"), str(rows), f" {rows - 1}"]


def predict(place: Path, rows: int) -> list[str]:
    model, file = small_classifier(place / "model"), place / "rows.csv"
    return [sys.executable, "-m", "workbench", "predict", str(model), "--file", str(file), "--jsonl"]


def small_classifier(place: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=64,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(place)
    raw = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64)
    tokenizer.save_pretrained(place)
    return place


@pytest.mark.parametrize("command", [check, page, predict, train])
def test_memory_does_not_grow_with_the_rows(
    command: Callable[[Path, int], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks: list[Peak] = []
    for rows in sorted(SIZES):
        place = tmp_path / str(rows)
        place.mkdir()
        monkeypatch.setenv("WORKBENCH_HOME", str(place / "home"))
        write(place / "rows.csv", rows)
        peaks.append(watched(command(place, rows)))
        (place / "rows.csv").unlink()
        print(f"\n{command.__name__:8} {rows:>11,} rows {said(peaks[-1])} {growth(peaks):5.2f} x", end="", flush=True)
    assert growth(peaks) <= MOST


def growth(peaks: list[Peak]) -> float:
    return peaks[-1].own / peaks[0].own


def said(peak: Peak) -> str:
    return f"own {peak.own / 1e6:7.0f} MB, resident {peak.resident / 1e6:7.0f} MB, {peak.cpu:7.1f} s CPU,"
