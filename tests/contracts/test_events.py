"""The event log keeps every line it was given, whatever happens to its writer."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from workbench.contracts.events import EventWriter, parse, read, read_all


def test_what_is_written_is_read_back(tmp_path: Path):
    writer = EventWriter(tmp_path / "log", attempt=2, clock=lambda: 12.5)
    writer.write("step", step=1, scalars={"train/loss": 0.5})
    writer.write("note", text="好的")
    events = list(read_all(tmp_path / "log"))
    assert [(event.seq, event.t, event.attempt, event.type) for event in events] == [
        (1, 12.5, 2, "step"),
        (2, 12.5, 2, "note"),
    ]
    assert events[0].scalars == {"train/loss": 0.5}
    assert events[1].fields == {"text": "好的"}


@given(st.lists(st.floats(), max_size=8))
def test_numbers_that_json_cannot_say_come_back_as_what_they_are(tmp_path_factory, values: list[float]):
    path = tmp_path_factory.mktemp("log") / "log"
    EventWriter(path).write("step", scalars={str(index): value for index, value in enumerate(values)})
    json.loads(path.read_text(), parse_constant=lambda name: 1 / 0)
    back = list(next(read_all(path)).scalars.values())
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(values, back, strict=True))


def test_a_torn_tail_is_left_for_later_and_a_new_writer_starts_on_a_fresh_line(tmp_path: Path):
    path = tmp_path / "log"
    EventWriter(path).write("step", step=1)
    with path.open("ab") as log:
        log.write(b'{"v":1,"seq":2,"t":1,"ty')
    chunk = read(path)
    assert [event.seq for event in chunk.events] == [1]
    writer = EventWriter(path)
    writer.write("step", step=2)
    rest = read(path, chunk.offset)
    assert [event.fields["step"] for event in rest.events] == [2]
    assert rest.unreadable == 1
    assert rest.events[0].seq == 2


def test_reading_goes_on_where_it_was_left(tmp_path: Path):
    path = tmp_path / "log"
    writer = EventWriter(path)
    seen, offset = [], 0
    for step in range(200):
        writer.write("step", step=step, text="x" * step)
        if step % 7 == 0:
            chunk = read(path, offset, limit=400)
            seen += [event.fields["step"] for event in chunk.events]
            offset = chunk.offset
    while (chunk := read(path, offset, limit=400)).events:
        seen += [event.fields["step"] for event in chunk.events]
        offset = chunk.offset
    assert seen == list(range(200))


def test_a_line_longer_than_the_limit_is_read_whole(tmp_path: Path):
    EventWriter(tmp_path / "log").write("note", text="y" * 5000)
    assert len(read(tmp_path / "log", limit=100).events) == 1


def test_a_missing_log_is_an_empty_one(tmp_path: Path):
    assert read(tmp_path / "none").events == []


def test_a_lone_surrogate_does_not_lose_the_event(tmp_path: Path):
    EventWriter(tmp_path / "log").write("note", text="a\ud800b")
    assert next(read_all(tmp_path / "log")).fields["text"] == "a?b"


@given(st.binary(max_size=200))
def test_no_line_breaks_the_reader(line: bytes):
    parse(line)


def test_a_killed_writer_loses_nothing_it_had_written(tmp_path: Path):
    path = tmp_path / "log"
    script = (
        "import sys; from pathlib import Path; from workbench.contracts.events import EventWriter\n"
        f"w = EventWriter(Path({str(path)!r}))\n"
        "n = 0\n"
        "while True:\n    n += 1; w.write('step', step=n); print(n, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    told = 0
    while told < 500:
        told = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split()
    told = max([told, *(int(word) for word in rest[:-1])])
    child.wait()
    steps = [event.fields["step"] for event in read_all(path)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= told
