"""The event log keeps every line it was given, whatever happens to its writer."""

import dataclasses
import errno
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.contracts.coding import encode
from workbench.contracts.events import (
    EVENTS,
    EvalEvent,
    EventWriter,
    SampleEvent,
    StepEvent,
    UnknownEvent,
    event_of,
    parse,
    read,
    read_all,
    step_of,
    step_values,
    stored,
    text,
)


def step(number: int, scalars: dict[str, float] | None = None) -> StepEvent:
    return StepEvent(step=number, epoch=0.5, tokens=3, scalars=scalars or {})


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
    assert events[1].fields() == {"text": "好的"}


@given(st.lists(st.floats(), max_size=8))
def test_numbers_that_json_cannot_say_come_back_as_what_they_are(tmp_path_factory, values: list[float]):
    path = tmp_path_factory.mktemp("log") / "log"
    EventWriter(path).append(step(1, {str(index): value for index, value in enumerate(values)}))
    json.loads(path.read_text(), parse_constant=lambda name: 1 / 0)
    back = list(next(read_all(path)).scalars.values())
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(values, back, strict=True))


def test_a_torn_tail_is_left_for_later_and_a_new_writer_starts_on_a_fresh_line(tmp_path: Path):
    path = tmp_path / "log"
    EventWriter(path).append(step(1))
    with path.open("ab") as log:
        log.write(b'{"v":1,"seq":2,"t":1,"ty')
    chunk = read(path)
    assert [event.seq for event in chunk.events] == [1]
    writer = EventWriter(path)
    writer.append(step(2))
    rest = read(path, chunk.offset)
    assert [event.step for event in rest.events] == [2]
    assert rest.unreadable == 1
    assert rest.events[0].seq == 2


@pytest.mark.parametrize("room", [[10, 0], [0, 0], [10, 5]])
def test_a_line_that_a_full_disk_cuts_short_is_an_error_and_is_taken_back(tmp_path: Path, monkeypatch, room):
    path = tmp_path / "log"
    writer = EventWriter(path)
    writer.append(step(1))
    left, write = iter(room), os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: next(left)]))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        writer.append(step(2))
    monkeypatch.undo()
    writer.append(step(3))
    chunk = read(path)
    assert ([(event.seq, event.step) for event in chunk.events], chunk.unreadable) == ([(1, 1), (2, 3)], 0)


def test_a_write_that_is_short_once_is_gone_on_with(tmp_path: Path, monkeypatch):
    path = tmp_path / "log"
    writer = EventWriter(path)
    sizes, write = iter([7, 1000]), os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: next(sizes)]))
    writer.append(step(1))
    monkeypatch.undo()
    writer.append(step(2))
    assert [event.step for event in read(path).events] == [1, 2]
    assert path.read_bytes().count(b"\n") == 2


def test_reading_goes_on_where_it_was_left(tmp_path: Path):
    path = tmp_path / "log"
    writer = EventWriter(path)
    seen, offset = [], 0
    for number in range(200):
        writer.append(SampleEvent(step=number, prompt="", text="x" * number))
        if number % 7 == 0:
            chunk = read(path, offset, limit=400)
            seen += [event.step for event in chunk.events]
            offset = chunk.offset
    while (chunk := read(path, offset, limit=400)).events:
        seen += [event.step for event in chunk.events]
        offset = chunk.offset
    assert seen == list(range(200))


def test_a_line_longer_than_the_limit_is_read_whole(tmp_path: Path):
    EventWriter(tmp_path / "log").write("note", text="y" * 5000)
    assert len(read(tmp_path / "log", limit=100).events) == 1


def test_a_missing_log_is_an_empty_one(tmp_path: Path):
    assert read(tmp_path / "none").events == []


def test_a_lone_surrogate_does_not_lose_the_event(tmp_path: Path):
    EventWriter(tmp_path / "log").write("note", text="a\ud800b")
    assert next(read_all(tmp_path / "log")).text == "a?b"


@given(st.binary(max_size=200))
def test_no_line_breaks_the_reader(line: bytes):
    parse(line)


def test_a_killed_writer_loses_nothing_it_had_written(tmp_path: Path):
    path = tmp_path / "log"
    script = (
        "import sys; from pathlib import Path; from workbench.contracts.events import EventWriter\n"
        f"w = EventWriter(Path({str(path)!r}))\n"
        "n = 0\n"
        "while True:\n    n += 1; w.write('step', step=n, scalars={}); print(n, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    told = 0
    while told < 500:
        told = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split()
    told = max([told, *(int(word) for word in rest[:-1])])
    child.wait()
    steps = [event.step for event in read_all(path)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= told


# -- each type has its class, and nothing of a line is lost ----------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(sorted({name for event in EVENTS for name in event.__dataclass_fields__} - {"rest"}))
RECORDS = st.builds(
    lambda head, fields: {**fields, **head},
    st.fixed_dictionaries(
        {
            "seq": st.integers(1, 9),
            "t": st.floats(0, 2e9),
            "attempt": st.integers(1, 3),
            "type": st.sampled_from([event.TYPE for event in EVENTS]) | st.text(max_size=4),
        }
    ),
    st.dictionaries(NAMES | st.text(max_size=4), JSON, max_size=6),
)
SCALARS = st.dictionaries(st.text(max_size=6), st.floats() | st.integers(-3, 3) | st.sampled_from(["NaN", "Infinity"]))
STEPS = st.fixed_dictionaries(
    {"seq": st.integers(), "t": st.floats(), "attempt": st.integers(-1, 3), "type": st.just("step"),
     "step": st.integers() | st.floats(), "epoch": st.floats() | st.integers(0, 3), "scalars": SCALARS},
    optional={"v": st.just(1), "tokens": st.integers() | st.none(), "new": st.integers()},
)  # fmt: skip


@given(RECORDS)
def test_what_a_version_does_not_know_or_cannot_read_is_kept(record: dict[str, object]):
    event = event_of(record)
    if event is None:
        return
    assert (event.seq, event.t, event.attempt, event.type) == tuple(record[x] for x in ("seq", "t", "attempt", "type"))
    head = {name: record[name] for name in ("seq", "t", "attempt", "type")}
    again = event_of(event.fields() | head)
    assert again == event
    known = {one.name for one in dataclasses.fields(event)}
    for name, value in record.items():
        if name not in known and name not in ("v", "type"):
            assert event.rest[name] == value


COMMON = st.fixed_dictionaries(
    {"v": st.just(1), "seq": st.integers(0, 9), "t": st.floats(0, 2e9), "attempt": st.integers(0, 3),
     "type": st.just("step"), "step": st.integers(0, 2**63), "epoch": st.floats(0, 9), "tokens": st.integers(0, 2**63),
     "scalars": st.dictionaries(st.text(max_size=6), st.floats())}
)  # fmt: skip


@given(STEPS | COMMON)
def test_the_fast_way_of_a_step_is_the_typed_one(record: dict[str, object]):
    values = step_values(record)
    if values is None:
        return
    fast, typed = step_of(values), stored("step", {k: record[k] for k in record if k not in HEAD}, **head_of(record))
    assert repr(fast) == repr(typed)  # NaN is unlike itself
    assert text(fast.fields()) == text(encode(typed))


HEAD = ("v", "seq", "t", "attempt", "type")


def head_of(record: dict[str, object]) -> dict[str, object]:
    return {name: record[name] for name in ("seq", "t", "attempt")}


def test_most_steps_take_the_fast_way(tmp_path: Path):
    writer = EventWriter(tmp_path / "log")
    for number in range(1200):
        writer.append(step(number, {"train/loss": 0.5}))
    writer.append(step(1200, {"train/loss": math.nan}))
    entries = list(read(tmp_path / "log").entries())
    assert all(isinstance(entry, tuple) for entry in entries[:-1])
    assert isinstance(entries[-1], StepEvent)
    assert [entry.step for entry in read(tmp_path / "log").events] == list(range(1201))


def test_a_field_that_is_needed_makes_a_line_unreadable_and_a_detail_does_not():
    line = '{"seq":1,"t":1.0,"attempt":1,"type":"%s",%s}'
    assert parse((line % ("finished", '"state":"splendid","exit_code":0,"signal":null')).encode()) is None
    assert parse((line % ("step", '"epoch":1.0,"scalars":{}')).encode()) is None
    judged = parse((line % ("eval", '"step":3,"confusion":"none","roc":[{"label":"a"}],"new":7')).encode())
    assert isinstance(judged, EvalEvent)
    assert (judged.step, judged.split, judged.confusion, judged.roc) == (3, "validation", None, None)
    assert judged.rest == {"confusion": "none", "roc": [{"label": "a"}], "new": 7}


def test_one_scalar_that_is_no_number_does_not_cost_the_others():
    event = parse(b'{"seq":1,"t":1.0,"type":"step","step":9,"epoch":1.0,"scalars":{"a":"x","b":2,"c":"-Infinity"}}')
    assert isinstance(event, StepEvent)
    assert event.scalars == {"b": 2.0, "c": -math.inf}
    assert event.fields()["scalars"] == {"a": "x", "b": 2.0, "c": -math.inf}


def test_a_type_of_a_newer_version_is_an_event_too(tmp_path: Path):
    EventWriter(tmp_path / "log").write("dreamt", name="of", sheep=[3])
    (event,) = read_all(tmp_path / "log")
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.fields()) == ("dreamt", {"name": "of", "sheep": [3]})
