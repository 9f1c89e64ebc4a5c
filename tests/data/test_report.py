"""What is told of the rows: balance, lengths, repeats, and what splits share."""

from __future__ import annotations

import json

import pytest

from workbench.contracts.coding import encode
from workbench.core.errors import DataError
from workbench.data.report import row_report
from workbench.data.tables import labels
from workbench.tasks.text_classification.spec import TextClassificationData as Data
from workbench.tasks.token_classification.spec import TokenClassificationData


def test_repeats_and_rows_that_leak_from_train_are_counted_and_noted(load, write):
    write("t.csv", "text,label\nsame,a\nsame,b\nother,a\nlonger text,b\n")
    write("v.csv", "text,label\nsame,a\nnew,b\nsame,a\n")
    made = load(train="t.csv", validation="v.csv")
    known = labels.classes(made, Data(train="t.csv"))
    counts = {split: labels.counts(made, split, known, Data(train="t.csv")) for split in made.tables()}
    facts = row_report.describe(made, counts)
    assert encode(facts["train"]) == {
        "rows": 4,
        "dropped": 0,
        "labels": {"a": 2, "b": 2},
        "characters": {"median": 4, "p95": 10, "max": 11, "total": 24},
        "empty": 0,
        "odd": {},
        "repeated": 1,
        "at_odds": 1,
        "shared": {},
    }
    assert (facts["validation"].shared, facts["validation"].repeated) == ({"train": 2}, 1)
    assert row_report.notes(facts) == [
        "train: 1 of 4 rows repeats the text of a row before",
        "train: 1 text has rows with different labels",
        "validation: 1 of 3 rows repeats the text of a row before",
        "validation: 2 of 3 rows have a text that is in train too",
    ]


def test_texts_are_looked_for_in_every_split_before(load, write):
    write("t.csv", "text,label\nsame,a\nother,b\n")
    write("v.csv", "text,label\nsame,a\nnew,b\n")
    write("x.csv", "text,label\nnew,b\nsame,a\nown,a\n")
    facts = row_report.describe(load(train="t.csv", validation="v.csv", test="x.csv"))
    assert facts["test"].shared == {"train": 1, "validation": 2}


def test_labels_of_one_split_only_are_named(load, write):
    write("t.csv", "text,label\n" + "".join(f"t{n},{'abc'[n % 3]}\n" for n in range(9)))
    write("v.csv", "text,label\nx,a\ny,b\n")
    told = row_report.whole(load(train="t.csv", validation="v.csv"), Data(train="t.csv"))
    assert "train: 1 label occurs in no other split: 'c'" in told.notes


def test_odd_texts_are_counted_by_what_is_odd_about_them(load, write):
    rows = [
        "fine",
        "bell \x07",
        "cafÃ© â€™s",
        "lost \ufffd",
        "zero\u200bwidth",
        "锟斤拷",
        "x" * 6000,
        "naïve “quotes” ok",
    ]
    write("t.jsonl", "\n".join(json.dumps({"text": text, "label": n % 2}) for n, text in enumerate(rows)))
    told = row_report.whole(load(train="t.jsonl", validation="t.jsonl"), Data(train="t.jsonl"))
    assert told.splits["train"].odd == {
        "control characters": 1,
        "characters that could not be decoded": 1,
        "signs of a wrong encoding": 2,
        "invisible characters": 1,
        "very long texts": 1,
    }
    assert "train: 2 of 8 rows have signs of a wrong encoding" in told.notes
    assert "train: 1 text is very long beside the others" in told.notes


def test_what_there_is_to_learn_is_counted_for_tags_and_answers_too(load, write):
    write("n.jsonl", '{"tokens":["Anna","in","Rome"],"tags":["B-PER","O","B-LOC"]}\n' * 4)
    told = row_report.whole(
        load("token-classification", train="n.jsonl", validation="n.jsonl"), TokenClassificationData(train="n.jsonl")
    )
    assert told.splits["train"].labels == {"LOC": 4, "PER": 4}
    write("q.jsonl", '{"question":"who?","context":"Anna is","answers":{"text":["Anna"],"answer_start":[0]}}\n'
          '{"question":"where?","context":"Anna is","answers":{"text":[],"answer_start":[]}}\n')  # fmt: skip
    told = row_report.whole(load("question-answering", train="q.jsonl", validation="q.jsonl"), Data(train="q.jsonl"))
    assert told.splits["train"].labels == {"answer": 1, "no answer": 1}


def test_questions_without_any_answer_are_refused_before_training(load, write):
    write("q.jsonl", '{"question":"who?","context":"Anna is","answers":{"text":[],"answer_start":[]}}\n' * 3)
    made = load("question-answering", train="q.jsonl", validation="q.jsonl")
    with pytest.raises(DataError, match="no question has an answer that stands in its context"):
        row_report.whole(made, Data(train="q.jsonl"))


def test_lengths_are_in_characters_not_bytes(load, write):
    write("t.jsonl", '{"text": "好评😀", "label": 0}\n{"text": "a", "label": 1}\n')
    assert row_report.describe(load(train="t.jsonl", validation="t.jsonl"))["train"].characters.max == 3


def test_lines_of_a_text_repeat_by_nature(load, write):
    write("a.txt", "All:\n\nAll:\n\n" * 10)
    facts = row_report.describe(load("causal-lm", train="a.txt"))
    assert (facts["train"].repeated, facts["validation"].shared) == (None, None)
    assert facts["train"].empty == 18
    assert row_report.notes(facts) == []
