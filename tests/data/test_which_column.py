"""Which column is what, where no one says: by its name, and where that tells nothing, by what it holds."""

from __future__ import annotations

import pytest

from workbench.core.errors import DataError
from workbench.data.tables import column_roles

SENTENCES = ["a film that goes nowhere", "what a joy it was", "so dull that I slept", "the best of its kind"]


@pytest.fixture
def columns(load, write):
    """The columns found in a csv with this header and two columns of these kinds."""

    def found(header: str, *rows: str, task: str = "text-classification", **data):
        write("t.csv", "\n".join([header, *(rows or default(header.count(",")))]) + "\n")
        return load(task, train="t.csv", validation="t.csv", **data)

    return found


def default(commas: int) -> list[str]:
    return [",".join([text, *["yes" if n % 2 else "no"] * commas]) for n, text in enumerate(SENTENCES)]


@pytest.mark.parametrize(
    "header",
    [
        "review_body,stars",
        "Review Text,Sentiment",
        "文本,标签",
        "内容,类别",
        "comment_text,Class Index",
        "TITLE,emotion",
    ],
)
def test_usual_names_are_known_however_they_are_written(columns, header):
    text, label = header.split(",")
    made = columns(header)
    assert (made.text, made.label, made.columns.guessed) == (text, label, ())


def test_the_longest_strings_are_the_text_and_the_only_other_column_the_label(columns):
    rows = [f"{n},{text},{'gut' if n % 2 else 'schlecht'}" for n, text in enumerate(SENTENCES * 3)]
    made = columns("id,Kommentar,Wertung", *rows)
    assert (made.text, made.label) == ("Kommentar", "Wertung")
    assert any(note.startswith("label: column 'Wertung' is taken for it") for note in made.notes)
    assert any(note.startswith("text: column 'Kommentar' is taken for it") for note in made.notes)
    assert column_roles.unread(made.columns, made.train) == ["id"]


def test_of_several_columns_that_could_be_the_label_none_is_guessed(columns):
    rows = [f"{text},{'ab'[n % 2]},{'cd'[n % 2]}" for n, text in enumerate(SENTENCES)]
    with pytest.raises(DataError, match=r"no column is recognised as the label: set data.label to one of text"):
        columns("text,first,second", *rows)


def test_texts_of_like_lengths_are_not_told_apart_by_guessing(columns):
    rows = [f"{text},{other}" for text, other in zip(SENTENCES, reversed(SENTENCES), strict=True)]
    with pytest.raises(DataError, match=r"the text nor as the target: set data.text and data.target to columns out of"):
        columns("en,de", *rows, task="seq2seq")


@pytest.mark.parametrize("row", ["ham,see you at five", "1,see you at five"])
def test_a_file_without_a_header_is_told_as_such_and_its_first_row_not_lost(columns, row):
    rows = [f"{row.split(',')[0]},{text}" for text in SENTENCES]
    with pytest.raises(DataError, match=r"looks like a row: .*write a line of names above the first row"):
        columns(row, *rows)


def test_a_sentence_for_a_name_is_told_as_a_missing_header(columns):
    with pytest.raises(DataError, match=r"looks like a row: .*set data.header = false"):
        columns("we shall all meet again tomorrow,wir sehen uns morgen", task="seq2seq")


def test_what_is_lacking_is_told_of_the_shape_that_most_columns_speak_for(columns):
    rows = [f"{text},{text},a,b" for text in SENTENCES]
    with pytest.raises(DataError, match=r"no column is recognised as the label: "):
        columns("premise,hypothesis,one,two", *rows)


def test_questions_and_answers_are_prompts_and_completions_of_a_language_model(columns):
    made = columns("question,answer", task="causal-lm")
    assert made.columns.named == {"prompt": ("question",), "completion": ("answer",)}


def test_a_text_file_with_a_tag_on_every_line_is_read_as_conll(load, write):
    write("train.txt", "Anna NNP B-PER\nslept VBD O\n\nRome NNP B-LOC\n\n" * 3)
    made = load("token-classification", train="train.txt", validation="train.txt")
    assert made.train.column("tokens").to_pylist()[:2] == [["Anna", "slept"], ["Rome"]]
    write("prose.txt", "I saw a B-2\nand then\nno more\n" * 3)
    assert load("causal-lm", train="prose.txt", validation="prose.txt").train.column_names[0] == "text"


CONLL = "Ann{0}B-PER\nSmit{0}I-PER\nwent{0}O\nto{0}O\nOslo{0}B-LOC\n\nBert{0}B-PER\nleft{0}O\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.tsv", CONLL.format("\t")),
        ("t.csv", CONLL.format("\t")),
        ("t.csv", CONLL.format(" ")),
        ("t.tsv", CONLL.format("\tX\t")),
        ("t.txt", CONLL.format(" ").replace("went O", "went")),
    ],
)
def test_tokens_with_tags_under_another_name_lead_to_conll(write, load, name, content):
    write(name, content)
    with pytest.raises(DataError, match=r'looks like CoNLL.*: set data\.format = "conll"'):
        load("token-classification", train=name, validation=name)
    write(name, CONLL.format("\t"))
    assert load("token-classification", train=name, validation=name, format="conll").train.num_rows == 2


@pytest.mark.parametrize(("mark", "format"), [("\t", "tsv"), (";", "csv"), (",", "csv")])
@pytest.mark.parametrize("header", [True, False])
def test_columns_in_a_txt_file_lead_to_their_format(write, load, mark, format, header):
    rows = [f"{text}{mark}{'ab'[n % 2]}" for n, text in enumerate(SENTENCES)]
    write("t.txt", "\n".join([*([f"text{mark}label"] if header else []), *rows]) + "\n")
    asked = {"train": "t.txt", "validation": "t.txt"}
    with pytest.raises(DataError, match=f'rows of columns: set data.format = "{format}"') as caught:
        load(**asked)
    assert ("data.header = false" in caught.value.hint) is not header
    assert load(**asked, format=format, header=header).train.num_rows == len(SENTENCES)
