"""Answers of every kind: as the command line prints them, and through the lab's pipe and back."""

from __future__ import annotations

import json
import typing

import pytest
from hypothesis import given
from made_up import values

from workbench.contracts.answers import (
    Answer,
    Candidate,
    CutText,
    EntitiesAnswer,
    ExtractAnswer,
    Fill,
    FillsAnswer,
    FoundEntity,
    LabelAnswer,
    LabelsAnswer,
    TextAnswer,
    ValuesAnswer,
    dump,
    parse,
)
from workbench.contracts.coding import UNREADABLE

PRINTED = {
    '{"label": "good", "probabilities": {"good": 0.75, "bad": 0.25}}': LabelAnswer("good", {"good": 0.75, "bad": 0.25}),
    '{"label": "bad", "probabilities": {"bad": 1.0}, "cut": {"at": 32, "of": 71}}': LabelAnswer(
        "bad", {"bad": 1.0}, CutText(32, 71)
    ),
    '{"labels": [], "probabilities": {"a": 0.25}}': LabelsAnswer((), {"a": 0.25}),
    '{"values": {"stars": 3.5}}': ValuesAnswer({"stars": 3.5}),
    '{"entities": [{"label": "PER", "start": 0, "end": 3, "text": "Ana", "score": 0.5}]}': EntitiesAnswer(
        (FoundEntity("PER", 0, 3, "Ana", 0.5),)
    ),
    '{"answer": "", "start": 0, "end": 0, "score": 1.0, "candidates": '
    '[{"text": "Oslo", "start": 4, "end": 8, "score": 0.0}]}': ExtractAnswer(
        "", 0, 0, 1.0, (Candidate("Oslo", 4, 8, 0.0),)
    ),
    '{"text": "un chat"}': TextAnswer("un chat"),
    '{"fills": [[{"token": "cat", "score": 0.5}], []]}': FillsAnswer(((Fill("cat", 0.5),), ())),
}


@pytest.mark.parametrize("line", PRINTED)
def test_each_kind_is_printed_as_the_readme_says_and_read_again(line: str):
    assert json.dumps(dump(PRINTED[line])) == line
    assert parse(json.loads(line)) == PRINTED[line]


def test_there_is_an_example_of_every_kind():
    assert {type(answer) for answer in PRINTED.values()} == set(typing.get_args(Answer))


@given(values(Answer))
def test_whatever_a_model_answers_arrives_as_it_was(answer: Answer):
    there = json.loads(json.dumps(dump(answer)))
    assert parse(there) == answer


@pytest.mark.parametrize(
    "line", ["{}", "[]", '"text"', '{"text": "a", "label": "b"}', '{"entities": [{"label": "a"}]}']
)
def test_what_is_no_answer_is_refused(line: str):
    with pytest.raises(UNREADABLE):
        parse(json.loads(line))
