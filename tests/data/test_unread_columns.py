"""A column that nothing is read from may hold what it likes; the same fault in one that is read is told."""

from __future__ import annotations

import json

import pytest

from workbench.core.errors import DataError

ROWS = [{"text": f"the kettle number {n} was lovely", "label": "good" if n % 2 else "bad"} for n in range(8)]
ODD = {
    "another type": (1, "x7"),
    "true among numbers": (1, True),
    "lists of several types": ([0, 4], [0, "ORG"]),
    "a number within an object": ({"a": {"b": 1}}, {"a": {"b": "x"}}),
    "an object after a string": ("x", {"a": 1}),
    "a large number": (1, 2**70),
    "half a character": ("x", "\ud83d"),
}


def with_column(name: str, early: object, late: object, rows: int = 1) -> list[dict]:
    return [row | {name: early} for row in ROWS * rows] + [ROWS[0] | {name: late}]


def as_lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("values", ODD.values(), ids=ODD)
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_it_stops_nobody_where_it_is_not_read_and_is_noted_with_its_place(write, load, values, suffix):
    rows = with_column("id", *values)
    write(f"t.{suffix}", as_lines(rows) if suffix == "jsonl" else json.dumps(rows))
    made = load(train=f"t.{suffix}", validation=f"t.{suffix}")
    assert made.train.column("text").to_pylist() == [row["text"] for row in rows]
    (note,) = [note for note in made.notes if "nothing is read from it" in note]
    assert f"t.{suffix}:9: " in note or f"t.{suffix}, row 9: " in note
    with pytest.raises(DataError, match=r"(holds|hold) .*"):
        load(train=f"t.{suffix}", validation=f"t.{suffix}", label="id")


def test_it_may_turn_late_in_a_large_file(write, load):
    rows = [row | {"pad": "x" * 2000} for row in with_column("id", 1, "x7", rows=600)] + with_column("id", 2.5, 3)
    write("t.jsonl", as_lines(rows))
    made = load(train="t.jsonl", validation="t.jsonl")
    assert made.train.num_rows == len(rows)
    assert made.train.column("id").to_pylist()[-10:] == ["x7", *["2.5"] * 8, "3"]
    with pytest.raises(DataError, match=r"t\.jsonl:4801: 'id' holds a string, 'x7', where the rows before hold a num"):
        load(train="t.jsonl", validation="t.jsonl", label="id")


def test_what_lies_beside_it_in_an_object_can_be_read(write, load):
    rows = [{"text": row["text"], "meta": {"label": row["label"], "n": n or "x"}} for n, row in enumerate(ROWS)]
    write("t.jsonl", as_lines(rows))
    made = load(train="t.jsonl", validation="t.jsonl", label="meta.label")
    assert made.train.column("meta.label").to_pylist() == [row["label"] for row in ROWS]
    with pytest.raises(DataError, match=r"t\.jsonl:2: 'meta\.n' holds a number"):
        load(train="t.jsonl", validation="t.jsonl", label="meta.n")


def test_shards_may_differ_in_it(write, load, tmp_path):
    write("d/train-0.jsonl", as_lines([row | {"id": 1} for row in ROWS]))
    write("d/train-1.jsonl", as_lines([row | {"id": "x"} for row in ROWS]))
    write("d/train-2.jsonl", as_lines(ROWS))
    write("d/test.jsonl", as_lines(ROWS))
    made = load(source="d", test="test")
    assert len(made.train) + len(made.validation) == 24
    with pytest.raises(DataError, match=r"train-1\.jsonl: the files of this split hold a column in different types"):
        load(source="d", label="id")
