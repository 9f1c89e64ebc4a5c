"""SQuAD's nesting and its relatives become one row a question."""

from __future__ import annotations

import json

import pytest

from workbench.core.errors import DataError
from workbench.data.formats import by_name, notes
from workbench.data.tables import sources


def squad(*questions, context="Paris is in France.", **more):
    paragraphs = [{"context": context, "qas": list(questions)}]
    return {"version": "1.1", "data": [{"title": "Paris", "paragraphs": paragraphs} | more]}


def asked(**more):
    return {"id": "q1", "question": "Where is Paris?", "answers": [{"text": "France", "answer_start": 12}]} | more


@pytest.fixture
def read(write):
    return lambda document: by_name.read_file(write("a.json", json.dumps(document)))


def test_a_question_is_a_row_with_its_context_and_answers(read):
    assert read(squad(asked())).to_pylist() == [
        {
            "id": "q1",
            "title": "Paris",
            "context": "Paris is in France.",
            "question": "Where is Paris?",
            "answers": {"text": ["France"], "answer_start": [12]},
            "is_impossible": False,
        }
    ]


def test_version_2_keeps_what_cannot_be_answered(read):
    impossible = asked(id="q2", is_impossible=True, answers=[], plausible_answers=[{"text": "x", "answer_start": 0}])
    table = read(squad(asked(is_impossible=False), impossible))
    assert table.column("is_impossible").to_pylist() == [False, True]
    assert table.column("answers").to_pylist()[1] == {"text": [], "answer_start": []}
    assert notes.of(table) == []


def test_questions_without_answers_are_told(read):
    table = read(squad(asked(), asked(answers=[]), {"id": "q3", "question": "Who?"}))
    (note,) = notes.of(table)
    assert "2 questions have no answer" in note
    assert "data[0].paragraphs[0].qas[1]" in note


def test_chinese_files_nest_alike_and_cmrc_writes_paragraphs_at_once(read):
    nested = squad(asked(question="巴黎在哪里?", answers=[{"text": "法国", "answer_start": 3}]), context="巴黎在法国。")
    flat = [
        {
            "context_id": "T1",
            "context_text": "巴黎在法国。",
            "title": "巴黎",
            "qas": [{"query_id": "T1Q0", "query_text": "巴黎在哪里?", "answers": ["法国", "德国"]}],
        }
    ]
    row, flat_row = read(nested).to_pylist()[0], read(flat).to_pylist()[0]
    assert row["answers"] == {"text": ["法国"], "answer_start": [3]}
    assert flat_row["id"] == "T1Q0"
    assert flat_row["answers"] == {"text": ["法国", "德国"], "answer_start": [3, -1]}
    assert (flat_row["context"], flat_row["question"]) == (row["context"], row["question"])
    said = notes.of(read(flat))
    assert any("1 answers have no answer_start" in note and "[0].qas[0].answers[0]" in note for note in said)
    assert any("1 answers do not stand in their context" in note for note in said)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"id": "x", "answers": []}, "data[0].paragraphs[0].qas[1]: no question"),
        (asked(question=["x"]), "data[0].paragraphs[0].qas[1]: question is no string: '['x']'"),
        ("x", "data[0].paragraphs[0].qas[1]: no object"),
        (asked(answers="France"), "data[0].paragraphs[0].qas[1]: answers is no list: 'France'"),
        (asked(answers=[{"answer_start": 1}]), "data[0].paragraphs[0].qas[1].answers[0]: no text"),
        (asked(answers=[{"text": "a", "answer_start": "1"}]), "answers[0]: answer_start is no whole number: '1'"),
    ],
)
def test_a_malformed_part_is_named_by_its_path_within(read, question, said):
    with pytest.raises(DataError) as caught:
        read(squad(asked(), question))
    assert "a.json: data[0]" in str(caught.value)
    assert said in str(caught.value)


def test_half_a_surrogate_pair_is_told_with_the_question(read):
    with pytest.raises(DataError, match=r"a\.json, question 'q1': holds half a surrogate pair"):
        read(squad(asked(question="\ud83d?")))


def test_a_squad_file_is_a_source_of_train(write):
    source = sources.open_named(str(write("train-v1.1.json", json.dumps(squad(asked())))), [])
    assert source.splits() == {"train": 1}
