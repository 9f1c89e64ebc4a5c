"""Answers in every spelling, and where they stand in their contexts."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import DataError
from workbench.data.tables import answer_spans

CONTEXT = "Anna met Bob, and Bob paid 7 €."


@pytest.fixture
def read(tmp_path, load):
    """The answers of rows that share CONTEXT unless they have their own; as train, beside a validation of one row."""

    def of(*rows, **data):
        whole = [{"question": "who?", "context": CONTEXT} | row for row in rows]
        (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in whole))
        splits = load("question-answering", train="train.jsonl", validation="train.jsonl", **data)
        found = answer_spans.read(splits, "train")
        return found, answer_spans.notes(splits, "train", found)

    return of


SPELT = {
    "squad": {"answers": {"text": ["Bob", "Anna"], "answer_start": [18, 0]}},
    "objects": {"answers": [{"text": "Bob", "answer_start": 18}, {"text": "Anna", "answer_start": 0}]},
    "strings": {"answers": ["Bob", "Anna"], "answer_start": [18, 0]},
    "one start": {"answers": ["Bob", "Anna"], "answer_start": 18},
}


@pytest.mark.parametrize("spelling", SPELT)
def test_answers_are_read_in_every_spelling(read, spelling):
    found, notes = read(SPELT[spelling])
    assert found.golds == [["Bob", "Anna"]]
    assert (found.starts.tolist(), found.ends.tolist()) == ([18], [21])
    assert not notes


def test_a_plain_answer_with_its_start(read):
    found, notes = read({"answer": "Bob", "answer_start": 18}, {"answer": "7", "answer_start": 27})
    assert found.golds == [["Bob"], ["7"]]
    assert found.starts.tolist() == [18, 27]
    assert not notes


def test_an_answer_without_a_start_is_sought_and_what_was_found_is_said(read):
    found, notes = read({"answers": "Anna"}, {"answers": "Bob"}, {"answers": "Carla"}, {"answers": "paid"})
    assert found.starts.tolist() == [0, 9, -1, 22]
    assert found.how == {"sought": [0, 3], "repeated": [1], "repaired": [], "unmatched": [2]}
    assert found.unmatched.tolist() == [False, False, True, False]
    assert found.golds[2] == ["Carla"], "what was right is known all the same"
    sought, repeated, unmatched = notes
    assert sought.startswith("train: 2 of 4 rows have no answer_start")
    assert "more than once" in repeated
    assert repeated.endswith("train.jsonl:2)")
    assert "does not stand in the context" in unmatched
    assert unmatched.endswith("train.jsonl:3)")


@pytest.mark.parametrize(
    "nothing", [{"text": [], "answer_start": []}, {"text": [""], "answer_start": [0]}, None], ids=str
)
def test_no_answer_is_an_answer(read, nothing):
    found, notes = read({"answers": {"text": ["Bob"], "answer_start": [18]}}, {"answers": nothing})
    assert found.unanswerable.tolist() == [False, True]
    assert found.starts.tolist() == [18, -1]
    assert found.counts()["unanswerable"] == 1
    assert not found.unmatched.any()
    assert not notes


def test_an_impossible_question_has_no_answer_even_if_a_plausible_one_is_given(read):
    found, _ = read({"answers": ["Bob"], "is_impossible": True}, {"answers": ["Anna"], "is_impossible": False})
    assert found.golds == [[], ["Anna"]]


def test_a_start_that_misses_by_a_few_is_repaired(read):
    starts = [("Bob", 20, 18), ("Bob", 8, 9), ("paid", 0, 22), ("Bob", 17, 18)]
    found, notes = read(*({"answers": text, "answer_start": start} for text, start, _ in starts))
    assert found.starts.tolist() == [right for _, _, right in starts]
    assert found.how["repaired"] == [0, 1, 2, 3]
    assert "misses the answer" in notes[0]


def test_a_start_may_count_bytes(read):
    context = "价格七元，" * 20 + "安娜付了七元。" + "价格七元，" * 20
    start = context.index("安娜付了七元") + 4
    found, _ = read({"context": context, "answers": "七元", "answer_start": len(context[:start].encode())})
    assert found.starts.tolist() == [start]
    assert found.how["repaired"] == [0]


def test_a_start_far_off_among_several_is_worth_as_much_as_none(read):
    found, _ = read({"context": "Bob " + "x" * 100 + " Bob " + "y" * 100, "answers": "Bob", "answer_start": 160})
    assert found.starts.tolist() == [0]
    assert found.how["repeated"] == [0]


def test_white_space_around_an_answer_is_not_pointed_at(read):
    found, notes = read({"answers": " Bob ", "answer_start": 17}, {"answers": "Anna \n"})
    assert found.starts.tolist() == [18, 0]
    assert found.ends.tolist() == [21, 4]
    assert len(notes) == 1, "the first start was right"


def test_the_first_gold_that_stands_in_the_context_is_learnt(read):
    found, notes = read({"answers": {"text": ["Robert", "Bob"], "answer_start": [-1, 18]}})
    assert found.golds == [["Robert", "Bob"]]
    assert found.starts.tolist() == [18]
    assert not notes


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"answers": [{"value": "Bob"}]}, "an answer has no text"),
        ({"answers": "Bob", "answer_start": "x"}, "answer_start is no whole number: 'x'"),
        ({"answers": "Bob", "answer_start": 1.5}, "answer_start is no whole number: '1.5'"),
    ],
)
def test_an_answer_of_no_known_shape_is_refused_with_its_row(read, row, said):
    with pytest.raises(DataError, match=rf"train\.jsonl:1: {said}"):
        read(row)


def test_answers_of_a_parquet_file_may_be_lists_of_objects(tmp_path, load):
    answers_of = [[{"text": "Bob", "answer_start": 18}], [], None]
    table = pa.table({"question": ["who?"] * 3, "context": [CONTEXT] * 3, "answers": answers_of})
    pq.write_table(table, tmp_path / "rows.parquet")
    splits = load("question-answering", train="rows.parquet", validation="rows.parquet")
    found = answer_spans.read(splits, "validation")
    assert found.golds == [["Bob"], [], []]
    assert found.starts.tolist() == [18, -1, -1]


@given(st.text("ab é中😀\u0301", max_size=30), st.integers(0, 30), st.integers(1, 6), st.integers(-40, 40))
def test_whatever_is_located_is_the_answer(context, start, length, off):
    text = context[start : start + length]
    if not text:
        return
    place, how = answer_spans.locate(context, text, max(0, start + off))
    assert place is not None
    assert context[place : place + len(text)] == text
    assert how in {"exact", "repaired", "repeated"}
    if off == 0:
        assert (place, how) == (start, "exact")


def test_golds_that_are_mostly_chinese_are_compared_by_character():
    assert answer_spans.by_character([["七元", "7 元"], [], ["北京 Beijing 天安门广场"]])
    assert answer_spans.by_character([["東京タワー"]])
    assert not answer_spans.by_character([["the 元 currency"], []])
    assert not answer_spans.by_character([[], []])
    assert not answer_spans.by_character([["서울 특별시"]]), "Korean is written with spaces"
