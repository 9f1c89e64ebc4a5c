"""Reading a large file against the plainest Python that does the same, and its first page against reading it all.

And the memory that it takes, against the rows themselves and against pyarrow's own reader.
"""

from __future__ import annotations

import csv
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.data.browse import pager
from workbench.data.formats import by_name
from workbench.data.tables import sources

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
    pq.write_table(pa.Table.from_pylist(rows), directory / "a.parquet")
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
    ours, theirs = median(lambda: by_name.read_file(path)), median(lambda: plain(path))
    page = median(lambda: pager.open_pager(sources.from_file(path).part("train")).page(0, 100))
    print(
        f"\n{name}, {ROWS:,} rows: read {ours:.2f} s, plain Python {theirs:.2f} s, ratio {ours / theirs:.2f};", end=" "
    )
    print(f"first page {page * 1000:.1f} ms, {page / ours:.3f} of reading it")
    assert ours < theirs
    assert page < ours / 4


PROGRAM = """
import sys, time
import pyarrow as pa, pyarrow.csv, pyarrow.json, pyarrow.parquet
from pathlib import Path
from workbench.data import formats, pager, sources

path = Path(sys.argv[2])
theirs = {".csv": pyarrow.csv.read_csv, ".jsonl": pyarrow.json.read_json, ".parquet": pyarrow.parquet.read_table}
status = lambda: Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()
peak = lambda: int(status()[0]) * 1024  # of this program alone: ru_maxrss begins with its parent's
before, start = peak(), time.perf_counter()
if sys.argv[1] == "paged":
    pages = pager.open_pager(sources.from_file(path).part("train"))
    size = pages.count()
else:
    read = formats.read_file if sys.argv[1] == "ours" else theirs[path.suffix]
    size = read(path).nbytes
print(time.perf_counter() - start, peak() - before, size)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_the_memory_that_reading_and_paging_take(files, name):
    def measured(how: str) -> list[float]:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, how, str(files / name)], capture_output=True, text=True, check=True
        )
        return [float(figure) for figure in ended.stdout.split()]

    (ours, held, size), (theirs, held_theirs, _), (paged, held_paged, _) = map(measured, ("ours", "theirs", "paged"))
    print(f"\n{name}, {ROWS:,} rows, {size / 1e6:.0f} MB as Arrow: read {ours:.2f} s, pyarrow {theirs:.2f} s,", end=" ")
    print(
        f"ratio {ours / theirs:.2f}; peak {held / size:.2f} times the rows, pyarrow {held_theirs / size:.2f};", end=" "
    )
    print(f"paged to the end in {paged:.2f} s and {held_paged / 1e6:.0f} MB")
