"""How fast the registry is, against the plainest SQLite code that does the same.

pytest tests/benchmarks/test_registry_speed.py -m benchmark -s
"""

from __future__ import annotations

import json
import math
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.core.home import Home
from workbench.core.rundir import RunDir, new_run_id
from workbench.registry import Ingestor, Registry
from workbench.registry.database import Connection, connect, sqlite, writing

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

POINTS = 1_000_000
KEY = "train/loss"


def median(work: Callable[[], Any], times: int = 9) -> float:
    """Milliseconds of this process's own time, the median of several runs."""
    return statistics.median(cpu(work) for _ in range(times)) * 1000


def cpu(work: Callable[[], Any]) -> float:
    """Seconds of this process's own time: on an idle machine the clock's, and neighbours do not lengthen it."""
    began = time.process_time()
    work()
    return time.process_time() - began


# -- a series of a million points ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, RunDir]:
    home = Home(tmp_path_factory.mktemp("long") / "home").ensure()
    run = RunDir(home.runs / new_run_id())
    run.path.mkdir()
    draw = random.Random(1)
    with run.events.open("w") as log:
        for step in range(1, POINTS + 1):
            loss = 1 / math.sqrt(step) + draw.gauss(0, 0.1)
            log.write(
                f'{{"v":1,"seq":{step},"t":{1.7e9 + step / 10:.6f},"attempt":1,"type":"step","step":{step},'
                f'"epoch":{step / 1e5:.6f},"scalars":{{"{KEY}":{loss!r}}}}}\n'
            )
    return home, run


class Plain:
    """What one writes first: json.loads a line, executemany into one indexed table, SELECT all, decimate in Python."""

    def __init__(self, path: Path) -> None:
        self.connection: Connection = sqlite.connect(path)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.execute("CREATE TABLE points (run TEXT, key TEXT, step INTEGER, value REAL, t REAL)")
        self.connection.execute("CREATE INDEX points_by_step ON points (run, key, step)")

    def ingest(self, run: RunDir) -> None:
        rows = []
        with run.events.open() as log:
            for line in log:
                event = json.loads(line)
                for key, value in event["scalars"].items():
                    rows.append((run.id, key, event["step"], value, event["t"]))
        self.connection.executemany("INSERT INTO points VALUES (?,?,?,?,?)", rows)
        self.connection.commit()

    def view(self, run: RunDir, low: int, high: int, columns: int) -> list[tuple[int, float]]:
        points = self.connection.execute(
            "SELECT step, value FROM points WHERE run=? AND key=? AND step BETWEEN ? AND ? ORDER BY step",
            (run.id, KEY, low, high),
        ).fetchall()
        drawn = []
        for column in range(columns):
            part = points[column * len(points) // columns : (column + 1) * len(points) // columns]
            if part:
                drawn += [min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])]
        return drawn


def test_a_million_points_go_in_as_fast_as_the_plainest_code_puts_them(
    long_run: tuple[Home, RunDir], tmp_path: Path
) -> None:
    home, run = long_run
    plain, ours, ratios = [], [], []
    for number in range(3):
        peer = Plain(tmp_path / f"plain-{number}.db")
        plain.append(cpu(lambda peer=peer: peer.ingest(run)))
        peer.connection.close()
        for file in home.path.glob("registry.db*"):
            file.unlink()
        with Ingestor(home) as ingestor:
            ours.append(cpu(ingestor.poll))
        ratios.append(ours[-1] / plain[-1])
    print(
        f"\ningest {POINTS:,} points: plain {statistics.median(plain):.2f} s, registry {statistics.median(ours):.2f} s"
        f" (CPU, medians of 3): ratio {statistics.median(ratios):.2f}"
    )
    assert statistics.median(ratios) < 1.5


def test_any_view_of_a_million_points_beats_reading_them_all(long_run: tuple[Home, RunDir], tmp_path: Path) -> None:
    home, run = long_run
    peer = Plain(tmp_path / "plain.db")
    peer.ingest(run)
    with Ingestor(home) as ingestor:
        ingestor.poll()
    with Registry.open(home) as registry:
        print()
        slowest = 0.0
        for low, high in [
            (1, POINTS), (1, POINTS // 2), (12_345, 987_654), (1_000, 60_000), (500_000, 503_300), (999_001, POINTS)
        ]:  # fmt: skip
            plain = median(lambda low=low, high=high: peer.view(run, low, high, 200), 3)
            for columns in (80, 200, 400):
                ours = median(
                    lambda low=low, high=high, c=columns: registry.view(run.id, KEY, lo=low, hi=high, columns=c)
                )
                slowest = max(slowest, ours)
                print(f"view {low:>9,} … {high:>9,} in {columns} columns: {ours:6.2f} ms", end="")
                print(f"  (plain {plain:8.1f} ms: {plain / ours:7.1f} ×)" if columns == 200 else "")
        tail = median(lambda: registry.points(run.id, KEY, since=POINTS - 500))
        print(f"slowest view {slowest:.1f} ms (budget 30); the live tail, 500 points: {tail:.2f} ms (budget 5)")
        full = median(lambda: peer.view(run, 1, POINTS, 200), 1)
        assert median(lambda: registry.view(run.id, KEY, columns=200)) < full / 10


# -- many runs -------------------------------------------------------------------------------------------------------

_COPIES = {
    "run": (
        "INSERT INTO run SELECT pk+?1, substr(id,1,3)||printf('%06x', pk+?1), deleted, state, created+?1, started+?1, "
        "finished+?1, updated+?1, name||'-'||?1, task, model, data, tags, digest, step, total_steps, epoch, attempt, "
        "host, reason, best_key, best_direction, facts, change FROM run WHERE pk<=?2"
    ),
    "document": "INSERT INTO document SELECT run+?1, recipe, notes FROM document WHERE run<=?2",
    "log": "INSERT INTO log SELECT run+?1, log, offset, unreadable, t, attempt FROM log WHERE run<=?2",
    "tag": "INSERT INTO tag SELECT tag, run+?1 FROM tag WHERE run<=?2",
    "spark": "INSERT INTO spark SELECT run+?1, key, width, partial, sums FROM spark WHERE run<=?2",
    "search": "INSERT INTO search (rowid, name, notes, tags) SELECT rowid+?1, name||'-'||?1, notes, tags FROM search "
    "WHERE rowid<=?2",
}
_BY_KEY = {
    "field": "INSERT INTO field SELECT key, run+?1, number*(1+?1%7), text FROM field WHERE key=?3 AND run<=?2",
    "summary": (
        "INSERT INTO summary SELECT key, run+?1, count, odd, first, first_flag, last*(1+(run*7919+?1)%1009), "
        "last_flag, last_step, min, min_step, max*(1+(run*7919+?1)%1009), max_step, direction FROM summary "
        "WHERE key=?3 AND run<=?2"
    ),
}


def many_runs(home: Home, total: int) -> None:
    """A hundred real runs, and copies of their rows that differ in name, age, fields and metrics."""
    draw = random.Random(2)
    for number in range(100):
        write_run(home, number, draw)
    with Ingestor(home) as ingestor:
        ingestor.poll()
    connection = connect(home.registry)
    with writing(connection):
        keys = [key for (key,) in connection.execute("SELECT id FROM key").fetchall()]
        shifts = range(100, total, 100)
        for statement in _COPIES.values():
            connection.executemany(statement, [(shift, 100) for shift in shifts])
        for statement in _BY_KEY.values():
            connection.executemany(statement, [(shift, 100, key) for key in keys for shift in shifts])
    connection.close()


def write_run(home: Home, number: int, draw: random.Random) -> None:
    from workbench.tasks.recipe_union import parse

    recipe = parse(
        f'name="imdb-bert-{number}"\ntask="text-classification"\ntags=["sweep-{number % 9}"]\n'
        f'notes="from the cold start"\n[model]\nname="google-bert/bert-base-cased"\n[data]\nsource="stanfordnlp/imdb"\n'
        f"[train]\nlearning_rate={1e-5 * (1 + number % 5)}\n"
    )
    run = RunDir(home.runs / new_run_id(1.75e9 + number * 60))
    run.path.mkdir()
    run.facts.write_text(
        json.dumps({"id": run.id, "name": recipe.name, "created": 1.75e9 + number * 60, "digest": recipe.digest(),
                    "recipe": recipe.resolved()})
    )  # fmt: skip
    step = {"v": 1, "t": 1.75e9, "attempt": 1, "type": "step", "epoch": 0.5}
    scalars = ("train/loss", "train/learning_rate", "train/grad_norm")
    lines = [step | {"seq": n, "step": n, "scalars": {key: draw.random() for key in scalars}} for n in range(1, 31)]
    metrics = {f"eval/{name}": draw.random() for name in ("loss", "accuracy", "f1", "precision", "recall")}
    lines.append(step | {"seq": 31, "type": "eval", "step": 30, "scalars": metrics})
    lines.append({"v": 1, "seq": 32, "t": 1.75e9 + 90, "attempt": 1, "type": "finished", "state": "completed"})
    run.events.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_first_screen_of_ten_thousand_runs(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    many_runs(home, 10_000)
    with Registry.open(home) as registry:
        assert registry.count() == 10_000

        def screen() -> None:
            rows = registry.runs(limit=50)
            registry.sparkline([row.id for row in rows])

        took = median(screen, 21)

    def everything() -> None:
        with Registry.open(home) as registry:
            rows = registry.runs(limit=50)
            registry.sparkline([row.id for row in rows])

    print(f"\nfirst screen of 10,000 runs: {took:.2f} ms; with opening the registry {median(everything):.2f} ms")


def test_filter_sort_and_page_a_hundred_thousand_runs(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    many_runs(home, 100_000)
    print()
    with Registry.open(home) as registry:
        assert registry.count() == 100_000
        slowest = 0.0
        for text in [
            "", "sort:name", "sort:-max(eval/f1)", "sort:-eval/accuracy state:completed", "bert", "bert-77", "be", "冷",
            "tag:sweep-3", "state:running", "train.learning_rate<=3e-5", "train.learning_rate<=3e-5 max(eval/f1)>.5",
            "sort:-max(eval/f1) train.learning_rate<=3e-5 tag:sweep-3", "created>2025-06-16 model:bert",
            "not (tag:sweep-3 or eval/f1<100) sort:train.learning_rate", "sort:-duration", "imdb sort:-best(eval/loss)",
        ]:  # fmt: skip
            page = median(lambda text=text: registry.runs(text, limit=50, offset=5000), 5)
            count = median(lambda text=text: registry.count(text), 5)
            slowest = max(slowest, page)
            print(f"{page:7.1f} ms a page, {count:7.1f} ms to count {registry.count(text):>7,}: {text!r}")
        print(f"slowest page {slowest:.1f} ms (budget 100)")
