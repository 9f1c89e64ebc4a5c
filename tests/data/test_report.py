"""What is told of the rows: balance, lengths, repeats, and what splits share."""

from __future__ import annotations

from workbench.data import labels, report
from workbench.recipe import Data


def test_repeats_and_rows_that_leak_from_train_are_counted_and_noted(load, write):
    write("t.csv", "text,label\nsame,a\nsame,b\nother,a\nlonger text,b\n")
    write("v.csv", "text,label\nsame,a\nnew,b\nsame,a\n")
    made = load(train="t.csv", validation="v.csv")
    known = labels.classes(made, Data(train="t.csv"))
    counts = {split: labels.counts(made, split, known, Data(train="t.csv")) for split in made.tables()}
    facts = report.describe(made, counts)
    assert facts["train"] == {
        "rows": 4,
        "dropped": 0,
        "labels": {"a": 2, "b": 2},
        "characters": {"median": 4, "p95": 10, "max": 11, "total": 24},
        "empty": 0,
        "repeated": 1,
        "shared": None,
    }
    assert (facts["validation"]["shared"], facts["validation"]["repeated"]) == (2, 1)
    assert report.notes(facts) == [
        "train: the text of another row is repeated in 1 of 4",
        "validation: the text is in train too in 2 of 3 rows",
    ]


def test_lengths_are_in_characters_not_bytes(load, write):
    write("t.jsonl", '{"text": "好评😀", "label": 0}\n{"text": "a", "label": 1}\n')
    assert report.describe(load(train="t.jsonl", validation="t.jsonl"))["train"]["characters"]["max"] == 3


def test_lines_of_a_text_repeat_by_nature(load, write):
    write("a.txt", "All:\n\nAll:\n\n" * 10)
    facts = report.describe(load("causal-lm", train="a.txt"))
    assert (facts["train"]["repeated"], facts["validation"]["shared"]) == (None, None)
    assert facts["train"]["empty"] == 18
    assert report.notes(facts) == []
