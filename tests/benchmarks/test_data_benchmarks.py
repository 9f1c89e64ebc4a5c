"""Reading a large file against the plainest Python that does the same, and its first page against reading it all."""

from __future__ import annotations

import csv
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.data import formats, pager, sources

ROWS = 300_000
RUNS = 3

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("large")
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(3000)]
    rows = [{"text": " ".join(draw.choices(words, k=18)), "label": i % 4} for i in range(ROWS)]
    (directory / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (directory / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(rows)
    return directory


def plain(path: Path) -> int:
    with path.open() as file:
        if path.suffix == ".jsonl":
            return len([json.loads(line) for line in file])
        return len(list(csv.DictReader(file)))


def median(do: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        do()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_reading_and_paging_a_large_file(files, name):
    path = files / name
    ours, theirs = median(lambda: formats.read_file(path)), median(lambda: plain(path))
    page = median(lambda: pager.open_pager(sources.from_file(path).part("train")).page(0, 100))
    print(
        f"\n{name}, {ROWS:,} rows: read {ours:.2f} s, plain Python {theirs:.2f} s, ratio {ours / theirs:.2f};", end=" "
    )
    print(f"first page {page * 1000:.1f} ms, {page / ours:.3f} of reading it")
    assert ours < theirs
    assert page < ours / 4
