"""What a row says in several columns is read whole, and a column that is left out is not left out in silence."""

from __future__ import annotations

import json

import pytest

from workbench.cli import given
from workbench.core.errors import DataError, WorkbenchError
from workbench.data.report import unread_columns
from workbench.data.tables.text_template import TextTemplate
from workbench.tasks import recipe_union

ALPACA = [
    {"instruction": "Shout.", "input": "the kettle", "output": "THE KETTLE"},
    {"instruction": "Name a colour.", "input": "", "output": "green"},
    {"instruction": "Count the words.", "input": "one two", "output": "2"},
]
SECTIONS = "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"


@pytest.fixture
def rows(load, write):
    """The splits of rows that are objects."""

    def made(rows: list[dict], task: str = "causal-lm", **data):
        write("t.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
        return load(task, train="t.jsonl", validation="t.jsonl", **data)

    return made


def test_the_input_of_alpaca_is_part_of_the_prompt(rows):
    made = rows(ALPACA)
    assert made.texts("train", "prompt").to_pylist() == [
        "Shout.\n\nthe kettle", "Name a colour.", "Count the words.\n\none two",
    ]  # fmt: skip
    assert made.columns.named["prompt"] == ("instruction + input",)


@pytest.mark.parametrize(
    ("columns", "prompt"),
    [
        (("instruction", "context", "response"), "A\n\nB"),
        (("system_prompt", "question", "response"), "A\n\nB"),
        (("query", "answer"), "A"),
        (("Prompt", "Completion"), "A"),
        (("prompt", "chosen"), "A"),
    ],
)
def test_prompts_are_known_by_their_usual_names(rows, columns, prompt):
    made = rows([dict(zip(columns, "ABC", strict=False))] * 3)
    assert made.texts("train", "prompt").to_pylist() == [prompt] * 3
    assert made.texts("train", "completion").to_pylist() == ["ABC"[len(columns) - 1]] * 3


def test_a_template_leaves_out_a_section_with_nothing_in_it(rows):
    first, second, _ = rows(ALPACA, prompt=SECTIONS).texts("train", "prompt").to_pylist()
    assert first == "### Instruction:\nShout.\n\n### Input:\nthe kettle\n\n### Response:\n"
    assert second == "### Instruction:\nName a colour.\n\n### Response:\n"


def test_a_template_leaves_out_a_line_and_keeps_braces():
    template = TextTemplate("Title: {title}\nText: {text} {{}}")
    assert template.filled({"title": " ", "text": "b"}) == "Text: b {}"
    assert template.filled({"title": "a", "text": "b"}) == "Title: a\nText: b {}"
    assert template.filled({"title": None}) == ""


def test_a_row_is_dropped_only_where_every_column_is_empty(rows):
    labelled = [{"title": "a", "text": "", "label": "x"}, {"title": "", "text": "", "label": "y"}]
    made = rows([*labelled, {"title": "c", "text": "d", "label": "y"}], "text-classification", text=["title", "text"])
    assert made.texts("train", "text").to_pylist() == ["a", "c\n\nd"]
    assert made.dropped["train"] == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("{instructio}", r"no column 'instructio' \(did you mean 'instruction'\?\): set data.prompt to one of"),
        ("{instruction", r"data.prompt: '\{instruction' is no template"),
        (["instruction", "inputs"], "no column 'inputs'"),
    ],
)
def test_a_column_that_is_not_there_is_named(rows, asked, said):
    with pytest.raises(WorkbenchError, match=said):
        rows(ALPACA, prompt=asked)


def test_a_split_without_one_of_the_columns_is_refused(load, write):
    write("t.jsonl", "\n".join(map(json.dumps, ALPACA)))
    write("v.jsonl", json.dumps({"instruction": "a", "output": "b"}))
    with pytest.raises(DataError, match=r"v.jsonl: no column 'input'"):
        load("causal-lm", train="t.jsonl", validation="v.jsonl")


def warned(splits, task: str, **data) -> list[str]:
    recipe = f'name = "x"\ntask = "{task}"\nmodel = {{ name = "m" }}\ndata = {{ source = "x" }}'
    return unread_columns.warnings(splits, recipe_union.parse(recipe).data)


def test_a_column_that_is_not_read_and_says_something_is_a_warning_that_counts(rows):
    told = [{"title": f"title {n % 7}", "text": f"text {n % 5}", "label": "ab"[n % 2]} for n in range(20)]
    (warning,) = warned(rows(told, "text-classification"), "text-classification")
    assert warning == (
        "1 column of train is not read: 'title' (7 distinct, 7 characters in the median): "
        'if the model is to read more, set data.text, as ["title", "text"]'
    )


@pytest.mark.parametrize("beside", [{"rejected": "no {n}"}, {"history": [["a", "{n}"]]}, {"stars": 0.5}])
def test_the_warning_suggests_nothing_that_does_harm(rows, beside):
    told = [
        json.loads(json.dumps({"prompt": "a", "chosen": "b", **beside}).replace("{n}", str(n % 3))) for n in range(9)
    ]
    told[0] = {name: 1.5 if name == "stars" else value for name, value in told[0].items()}
    (warning,) = warned(rows(told), "causal-lm")
    assert warning.startswith(f"1 column of train is not read: '{next(iter(beside))}' (")
    assert "set data." not in warning


def test_ids_dates_constants_and_the_label_in_other_words_are_no_warning(rows):
    told = [
        {
            "text": f"text {n}", "label": n % 3, "label_name": ["good", "bad", "fair"][n % 3], "id": f"r{n}", "n": n,
            "created_at": f"{n}", "day_of": f"2024-01-{n + 1:02}", "lang": "en", "site": f"https://a.org/{n}",
        }
        for n in range(20)
    ]  # fmt: skip
    assert warned(rows(told, "text-classification"), "text-classification") == []


def test_predict_joins_the_columns_of_a_row_as_training_does(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, [*ALPACA, {"instruction": "Alone."}])), "utf-8")

    def asked(**data) -> list[str]:
        names = given.names_of("causal-lm", data)
        return [row.fields["text"] for row in given.complete(given.read(None, path), ("text",), None, names)]

    assert asked() == ["Shout.\n\nthe kettle", "Name a colour.", "Count the words.\n\none two", "Alone."]
    assert asked(prompt="{input} {instruction}")[0] == "the kettle Shout."
    assert asked(prompt=["input"])[0] == "the kettle"
