"""The logs are the truth: however the registry came to be, whoever died on the way, it is the same."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.contracts.events import EventWriter
from workbench.core.errors import BadInput
from workbench.core.home import Home
from workbench.core.rundir import RunDir, new_run_id
from workbench.registry import Ingestor, Registry, reindex
from workbench.registry.database import connect

_INGEST = """
import sys, time
from pathlib import Path
from workbench.core.home import Home
from workbench.registry import Ingestor
with Ingestor(Home(Path(sys.argv[1]))) as ingestor:
    print("ready", flush=True)
    until = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < until:
        ingestor.poll()
"""


# One process a line, forked where everything is imported already: starting Python anew takes longer than ingesting.
_INGEST_IN_FORKS = """
import os, sys
from pathlib import Path
from workbench.core.home import Home
from workbench.registry import Ingestor
for _ in sys.stdin:
    if (pid := os.fork()) == 0:
        with Ingestor(Home(Path(sys.argv[1]))) as ingestor:
            print(os.getpid(), flush=True)
            while True:
                ingestor.poll()
    os.waitpid(pid, 0)
"""


def random_log(path: Path, draw: random.Random, lines: int) -> None:
    """A trainer's log with everything that can stand in one: attempts, resumes, NaN, late points, torn lines.

    A long one has as many of them as one of 250 lines: whoever takes up a log reads all that is there.
    """
    writer, attempt, step = EventWriter(path, attempt=1, clock=lambda: 1.79e9), 1, 0
    for _ in range(lines):
        kind = draw.random() * max(1, lines / 250)
        if kind < 0.03:
            writer.close()
            attempt += 1
            writer = EventWriter(path, attempt=attempt, clock=lambda: 1.79e9)
            step = draw.randint(0, step)
            if kind < 0.02:
                writer.write("resumed", step=step, differences=[])
        elif kind < 0.06:
            writer.write("eval", step=step, epoch=step / 10, split="validation", scalars={"eval/f1": draw.random()})
        elif kind < 0.08:
            writer.write("plan", total_steps=draw.randint(1, 999), best=draw.choice(["f1", "loss"]), direction="max")
        elif kind < 0.10:
            with path.open("ab") as log:
                log.write(draw.choice([b'{"v":1,"seq":', b"\n", b'{"v":1}\n', b"\xff\n", b'["a",{"b":[\n']))
            writer.close()
            writer = EventWriter(path, attempt=attempt, clock=lambda: 1.79e9)
        elif kind < 0.11:
            writer.write("finished", state=draw.choice(["completed", "failed", "nonsense"]), reason="", exit_code=0)
        else:
            step = max(0, step + draw.choice([1, 1, 1, 1, 5, 0, -2]))
            value = draw.choice([draw.gauss(0, 1), draw.gauss(0, 1), math.nan, math.inf, 3])
            tokens = {"tokens": step * 7} if draw.random() < 0.2 else {}
            writer.write(
                "step", step=step, epoch=draw.choice([step / 10, None]), scalars={"train/loss": value}, **tokens
            )
    writer.close()


def random_user_log(path: Path, draw: random.Random) -> None:
    writer = EventWriter(path, clock=lambda: 1.79e9)
    for _ in range(draw.randint(0, 8)):
        tag = draw.choice(["a", "b", "基线", "A"])
        act = draw.choice(["tag", "untag", "note", "delete", "restore"])
        writer.write(act, tag=tag, text=f"note {tag}")
    writer.close()


def random_supervisor_log(path: Path, draw: random.Random) -> None:
    writer = EventWriter(path, clock=lambda: 1.79e9 + 5)
    writer.write("started", pid=1, host="elsewhere")
    for _ in range(draw.randint(0, 60)):
        writer.write("system", scalars={"system/cpu": draw.random(), "gpu0/memory": draw.choice([math.nan, 1])})
    if draw.random() < 0.5:
        writer.write("finished", state="stopped", reason="asked", exit_code=0)
    writer.close()


def write_random_run(home: Home, draw: random.Random, lines: int) -> RunDir:
    run = RunDir(home.runs / new_run_id())
    run.path.mkdir()
    run.facts.write_text(json.dumps({"name": run.id, "created": 1.79e9, "recipe": {"seed": draw.randint(0, 9)}}))
    random_log(run.events, draw, lines)
    random_supervisor_log(run.supervisor_log, draw)
    random_user_log(run.user_log, draw)
    return run


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_growing_in_random_pieces_and_rebuilding_give_the_same_registry(tmp_path, content, seed):
    draw = random.Random(seed)
    written = Home(tmp_path / f"{seed}-whole").ensure()
    home = Home(tmp_path / f"{seed}-grown").ensure()
    for _ in range(2):
        run = write_random_run(written, draw, 150)
        (home.runs / run.id).mkdir()
        shutil.copy(run.facts, home.runs / run.id)
    with Ingestor(home) as ingestor:
        pieces = []
        for run_dir in sorted(written.runs.iterdir()):
            for log in RunDir(run_dir).logs:
                data = log.read_bytes()
                cuts = sorted(draw.randint(0, len(data)) for _ in range(12))
                edges = [0, *cuts, len(data)]
                parts = [data[a:b] for a, b in pairwise(edges)]
                pieces.append((home.runs / run_dir.name / log.name, parts))
        while pieces:
            path, parts = draw.choice(pieces)
            with path.open("ab") as log:
                log.write(parts.pop(0))
            if not parts:
                pieces.remove((path, parts))
            ingestor.poll()
    grown = content(home)
    assert grown["point"]
    assert reindex(home) == 2
    assert content(home) == grown
    with Ingestor(written) as ingestor:
        ingestor.poll()
    assert content(written) == grown
    shutil.rmtree(home.path)
    shutil.rmtree(written.path)


def test_reindex_brings_back_tags_notes_and_deletion_and_drops_what_has_no_directory(
    write_run, home, ingestor, registry, content
):
    run = write_run().loss(1, 1.0).user("tag", tag="kept").user("note", text="kept too").user("delete")
    gone = write_run().loss(1, 1.0)
    ingestor.poll()
    before = content(home)
    shutil.rmtree(gone.dir.path)
    told = []
    assert reindex(home, lambda done, all: told.append((done, all))) == 1
    assert told == [(1, 1)]
    after = content(home)
    assert after == {table: [row for row in rows if row[0] != gone.id] for table, rows in before.items()}
    assert registry.find(run.id, include_deleted=True).tags == ("kept",)
    assert ingestor.poll() == {run.id, gone.id}


@pytest.mark.parametrize("time_over", [1, 2])
def test_ingestion_is_exactly_once_however_often_it_is_killed(home, content, time_over):
    seed = int(os.environ.get("WORKBENCH_SEED", random.randrange(2**32)))
    print(f"WORKBENCH_SEED={seed} replays this")
    draw = random.Random(seed)
    runs = [write_random_run(home, draw, 20) for _ in range(3)]
    logs = {run.id: (home.path / f"{run.id}.whole", 0) for run in runs}
    for whole, _ in logs.values():
        random_log(whole, draw, 2500)
    offsets = dict.fromkeys(logs, 0)
    forks = subprocess.Popen(
        [sys.executable, "-c", _INGEST_IN_FORKS, str(home.path)], stdin=PIPE, stdout=PIPE, text=True, bufsize=1
    )
    assert forks.stdin is not None
    assert forks.stdout is not None
    for _ in range(14):
        forks.stdin.write("another\n")
        ingesting = int(forks.stdout.readline())
        until = time.monotonic() + draw.uniform(0, 0.25)
        while time.monotonic() < until:
            run = draw.choice(runs)
            data = logs[run.id][0].read_bytes()[offsets[run.id] :][: draw.randint(1, 9000)]
            offsets[run.id] += len(data)
            with run.events.open("ab") as log:
                log.write(data)
        os.kill(ingesting, signal.SIGKILL)
    forks.communicate()
    with Ingestor(home) as ingestor:
        ingestor.poll(wait=True)
    survived = content(home)
    assert len(survived["point"]) > 100
    reindex(home)
    assert content(home) == survived


def test_two_processes_may_ingest_at_once(home, content):
    draw = random.Random(5)
    runs = [write_random_run(home, draw, 50) for _ in range(4)]
    command = [sys.executable, "-c", _INGEST, str(home.path), "3"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    while processes[0].poll() is None:
        random_log(draw.choice(runs).events, draw, 20)
        time.sleep(0.02)
    for process in processes:
        _, said = process.communicate()
        assert (process.returncode, said) == (0, "")
    with Ingestor(home) as ingestor:
        ingestor.poll(wait=True)
    grown = content(home)
    reindex(home)
    assert content(home) == grown


def test_a_registry_that_is_no_database_is_set_aside_and_rebuilt(write_run, home, ingestor, content):
    run = write_run().loss(1, 1.0).user("tag", tag="kept")
    ingestor.poll()
    ingestor.close()
    whole = content(home)
    for file in home.path.glob("registry.db-*"):
        file.unlink()
    home.registry.write_bytes(b"this is no database" * 1000)
    with Registry.open(home) as registry:
        [notice] = registry.notices
        assert registry.find("last").id == run.id
    [aside] = home.path.glob("registry.db.damaged-*")
    assert notice == f"the registry was damaged: it is set aside as {aside.name}, and 1 run is back from its logs"
    assert aside.read_bytes().startswith(b"this is no database")
    assert content(home) == whole
    assert os.stat(home.registry).st_mode & 0o777 == 0o600


def test_damage_that_shows_only_in_the_middle_is_mended_when_it_is_met(write_run, home, content):
    for _ in range(30):
        write_run().losses(map(float, range(100)))
    with Ingestor(home) as ingestor:
        ingestor.poll()
    whole = content(home)
    with Registry.open(home) as registry:
        registry._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        registry._connection.execute("PRAGMA journal_mode=DELETE")
    data = bytearray(home.registry.read_bytes())
    data[16 * 4096 :] = os.urandom(len(data) - 16 * 4096)
    home.registry.write_bytes(data)
    with Registry.open(home) as registry, Ingestor(home) as ingestor:
        rows = registry.runs()
        assert len(rows) == 30
        assert [len(registry.points(row.id, "train/loss")) for row in rows] == [100] * 30
        [notice] = registry.notices
        assert notice.endswith(", and 30 runs are back from their logs")
        ingestor.poll()
    assert content(home) == whole
    assert len(list(home.path.glob("registry.db.damaged-*"))) == 1


def test_who_has_a_rebuilt_registry_open_goes_on_with_the_new_one(write_run, home, ingestor, registry):
    write_run("first").loss(1, 1.0)
    ingestor.poll()
    assert registry.count() == 1
    home.registry.rename(home.path / "elsewhere.db")
    for suffix in ("-wal", "-shm"):
        (home.path / f"registry.db{suffix}").rename(home.path / f"elsewhere.db{suffix}")
    with Ingestor(home) as other:
        other.poll()
        write_run("second").loss(1, 1.0)
        other.poll()
    assert registry.count() == 2
    ingestor.poll()
    write_run("third")
    ingestor.poll()
    assert registry.count() == 3


def test_damage_that_opening_does_not_see_is_mended_by_whoever_meets_it(write_run, home, ingestor):
    runs = [write_run().started().loss(1, 0.5).completed().id for _ in range(40)]
    ingestor.poll()
    ingestor.close()
    with connect(home.registry) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name='run'").fetchone()
    connection.close()
    with home.registry.open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\xff" * page)
    with Ingestor(home) as after, Registry.open(home) as registry:
        after.poll()
        assert "the registry was damaged" in after.notices[0]
        assert {row.id for row in registry.runs()} == set(runs)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE run SET model=CAST(x'ff9a' AS TEXT)",
        "UPDATE run SET tags='['",
        "DELETE FROM clock",
    ],
)
def test_values_that_are_no_longer_what_was_written_are_mended_though_sqlite_finds_no_fault(
    write_run, home, ingestor, damage
):
    run = write_run().started().loss(1, 0.5).completed()
    ingestor.poll()
    ingestor.close()
    with connect(home.registry) as connection:
        connection.execute(damage)
    connection.close()
    with Registry.open(home) as registry, Ingestor(home) as after:
        assert [row.id for row in registry.runs()] == [run.id]
        after.poll()
        assert any("the registry was damaged" in notice for notice in [*registry.notices, *after.notices])
    assert len([aside for aside in home.path.glob("registry.db.damaged-*") if aside.name[-4:].isdigit()]) == 1


def test_a_disk_that_is_full_is_one_sentence(write_run, home, ingestor):
    ingestor.poll()
    ingestor._connection.execute("PRAGMA max_page_count=1")  # SQLite says of this what it says of a full disk
    write_run().started().losses([0.5] * 2_000)
    with pytest.raises(BadInput, match=r"cannot be used \(database or disk is full\): make room"):
        ingestor.poll()
