"""Labels and texts as files without types write them: missing values, numbers, decimal commas, hidden labels."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.core.errors import DataError
from workbench.data.tables import labels, problem
from workbench.tasks.text_classification.spec import TextClassificationData as Data


@pytest.fixture
def learn(write, load):
    """What is learnt of these labels, written as a .csv file with this delimiter: classes, ids or numbers, notes."""

    def run(values, validation=None, delimiter=",", **data):
        for name, held in (("t.csv", values), ("v.csv", validation or values)):
            rows = [f"row {n}{delimiter}{value}" for n, value in enumerate(held)]
            write(name, "\n".join([f"text{delimiter}label", *rows]) + "\n")
        data = {"train": "t.csv", "validation": "v.csv"} | data
        made, asked = load(**data), Data(**data)
        known = labels.classes(made, asked)
        found = [labels.encode(made, split, known, asked).tolist() for split in ("train", "validation")]
        return known, *found, made

    return run


@pytest.mark.parametrize("word", ["NaN", "nan", "NA", "None", "null", "NULL", "N/A", "#N/A", "<NA>", "\\N", "-", "?"])
def test_beside_numbers_a_word_for_nothing_is_missing_and_counted(learn, word):
    known, train, _, made = learn(["1.0", "0.0", word, "1.0", ""], ["0", "1"])
    assert (known, train, made.dropped["train"]) == (["0", "1"], [1, 0, 1], 2)
    assert f"train: 1 of 5 values of 'label' is '{word}', read as missing" in made.notes


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        (["0.0", "1.0"], ["0", "1"]),
        (["0", "1"], ["0.0", "1.0"]),
        (["0", "1"], ["0.", "+1"]),
        (["0", "NaN", "1"], [0, 1]),
    ],
)
def test_one_and_one_point_nought_are_one_class_in_every_split(learn, train, validation):
    assert learn(train, validation)[:3] == (["0", "1"], [0, 1], [0, 1])


def test_a_file_without_types_agrees_with_one_that_has_them(write, load, tmp_path):
    pq.write_table(pa.table({"text": list("abc"), "label": [1.0, 0.0, None]}), tmp_path / "t.parquet")
    write("v.jsonl", "".join(json.dumps({"text": "x", "label": label}) + "\n" for label in ("1", "0.0")))
    made, asked = load(train="t.parquet", validation="v.jsonl"), Data()
    assert labels.encode(made, "validation", labels.classes(made, asked), asked).tolist() == [1, 0]


def test_numbers_to_predict_may_be_missing_too(learn):
    known, train, _, made = learn(["1.5", "NA", "2", "None", "n/a"])
    assert (known, train, made.dropped["train"]) == (["label"], [[1.5], [2.0]], 3)
    with pytest.raises(DataError, match=r"t\.csv, row 2: 'label' is 'oops', and a regression learns numbers"):
        learn(["1.5", "oops"], problem="regression")


def test_names_keep_their_spelling(learn):
    assert sorted(learn(["007", "7", "007"])[0]) == ["007", "7"]
    assert learn(["1.0", "v2", "1"])[0] == ["1", "1.0", "v2"]


@pytest.mark.parametrize(("word", "missing"), [("NaN", True), ("#N/A", True), ("None", False), ("NA", False)])
def test_a_word_that_may_be_a_class_is_one_where_it_has_the_rows_of_one_and_is_counted(learn, word, missing):
    known, *_, made = learn(["for", "against", word] * 4)
    assert (word not in known) is missing
    assert any(note.startswith(f"train: 4 of 12 values of 'label' are '{word}'") for note in made.notes)
    known, *_, made = learn(["for", "against"] * 4 + [word])
    assert known == ["against", "for"]
    assert made.dropped["train"] == 1


def test_data_labels_says_whether_a_word_is_a_class(learn):
    known, train, _, made = learn(["for", "against", "None"] * 4, labels=["for", "against"])
    assert (known, len(train), made.dropped["train"]) == (["for", "against"], 8, 4)
    known, train, _, made = learn(["for", "against"] * 4 + ["None"], labels=["for", "against", "None"])
    assert (known, len(train)) == (["for", "against", "None"], 9)
    assert not any("None" in note for note in made.notes)


def test_texts_that_are_the_word_nan_are_missing_and_other_words_are_texts(write, load):
    rows = [("NaN", "a"), ("fine", "b"), ("None", "a"), ("fine too", "a"), ("nan of the north", "b")]
    write("t.csv", "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    made = load(train="t.csv", validation="t.csv")
    assert made.train.column("text").to_pylist() == ["fine", "None", "fine too", "nan of the north"]
    assert "train: 1 of 5 values of 'text' is 'NaN', read as missing" in made.notes
    assert "train: 1 of 5 values of 'text' is 'None', read as any text" in made.notes


def test_what_a_model_is_to_write_may_be_any_word(write, load):
    write("t.jsonl", "".join(json.dumps({"prompt": "0 / 0?", "completion": word}) + "\n" for word in ("NaN", "1")))
    made = load("causal-lm", train="t.jsonl", validation="t.jsonl")
    assert made.train.num_rows == 2
    assert "train: 1 of 2 values of 'completion' is 'NaN', read as any text" in made.notes


@pytest.mark.parametrize("values", [["3,5", "4", "0,25", ""], ["1,5", "2,0", "3,5"], ["1.234,5", "2", "3,25"]])
def test_decimal_commas_of_a_file_with_semicolons_are_numbers(learn, values):
    _, train, _, made = learn(values, delimiter=";")
    assert train == [[float(value.replace(".", "").replace(",", "."))] for value in values if value]
    assert problem.of(made, Data()) == "regression"
    assert any("have a decimal comma, such as" in note for note in made.notes)


def test_train_may_have_commas_and_validation_points(learn, write, load):
    write("t.csv", "text;label\na;3,5\nb;4,0\n")
    write("v.csv", "text,label\na,3.5\nb,4\n")
    made = load(train="t.csv", validation="v.csv")
    assert labels.encode(made, "validation", ["label"], Data()).tolist() == [[3.5], [4.0]]
    assert labels.encode(made, "train", ["label"], Data()).tolist() == [[3.5], [4.0]]


def test_between_commas_a_decimal_comma_is_read_where_numbers_are_asked_for(learn):
    assert learn(['"3,5"', '"4,25"'], problem="regression")[1] == [[3.5], [4.25]]
    with pytest.raises(DataError, match=r"'label' is '1,234', and a regression"):
        learn(['"1,234"', '"5,678"'], problem="regression")


def test_true_is_spelt_in_one_way(learn):
    assert learn(["True", "False"], ["TRUE", "false"])[:3] == (["false", "true"], [1, 0], [1, 0])
    assert learn(["True", "False"])[0] == ["False", "True"]


def test_hidden_labels_are_told_as_such(write, load):
    write("t.jsonl", "".join(json.dumps({"text": f"x{n}", "label": n % 2}) + "\n" for n in range(6)))
    write("h.jsonl", "".join(json.dumps({"text": f"x{n}", "label": -1}) + "\n" for n in range(6)))
    with pytest.raises(DataError, match=r"data\.test: every label of test is -1, .*hidden.*: .*leave data\.test out"):
        load(train="t.jsonl", validation="t.jsonl", test="h.jsonl")


def test_a_class_label_of_minus_one_is_counted_as_none(tmp_path, load):
    features = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    for name, ids in (("t", [0, 1, -1, 1]), ("h", [-1, -1, -1, -1])):
        table = pa.table({"text": list("abcd"), "label": ids}).replace_schema_metadata(
            {"huggingface": json.dumps(features)}
        )
        pq.write_table(table, tmp_path / f"{name}.parquet")
    made = load(train="t.parquet", validation="t.parquet")
    assert labels.classes(made, Data()) == ["no", "yes"]
    assert "train: 1 of 4 values of 'label' is '-1', which says that there is no label" in made.notes
    with pytest.raises(DataError, match="every label of validation is -1"):
        load(train="t.parquet", validation="h.parquet")


def test_a_dash_in_place_of_a_label_is_missing_and_beside_signs_a_class(learn):
    known, _, _, made = learn([*["entailment", "neutral"] * 5, "-"])
    assert (known, made.dropped["train"]) == (["entailment", "neutral"], 1)
    assert any("is '-', read as missing: if that is a class, name all classes in data.labels" in n for n in made.notes)
    assert learn([*["+"] * 5, "-"])[0] == ["+", "-"]


@pytest.mark.parametrize("value", ['"1,234.5"', "45%", "$3.20", "12 EUR"])
def test_numbers_with_signs_are_told_how_to_be_written(learn, value):
    with pytest.raises(DataError, match=r"a regression learns numbers: write numbers plainly, as 1234.5"):
        learn([value, "2"], problem="regression")
