"""From what stands in a label column to classes and ids."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.data import labels
from workbench.errors import DataError
from workbench.recipe import Data


@pytest.fixture
def classify(write, load):
    """Classes and train ids of these labels; every label twice, so that there is something to tell apart."""

    def run(values, validation=None, names=None):
        write(
            "t.jsonl", "".join(json.dumps({"text": f"t{i}", "label": value}) + "\n" for i, value in enumerate(values))
        )
        write(
            "v.jsonl", "".join(json.dumps({"text": "v", "label": value}) + "\n" for value in validation or values[:1])
        )
        data = {"train": "t.jsonl", "validation": "v.jsonl", "labels": names}
        made = load(**data)
        known = labels.classes(made, Data.model_validate(data))
        return known, labels.encode(made, "train", known, Data.model_validate(data)).tolist(), made.notes

    return run


@pytest.mark.parametrize(
    ("values", "names", "ids"),
    [
        (["pos", "neg", "pos"], ["neg", "pos"], [1, 0, 1]),
        ([1, 0, 1], ["0", "1"], [1, 0, 1]),
        ([5, 10, -1], ["-1", "5", "10"], [1, 2, 0]),
        ([True, False], ["false", "true"], [1, 0]),
        ([1.0, 0.0, 1.0], ["0", "1"], [1, 0, 1]),
        (["10", "9", "10"], ["9", "10"], [1, 0, 1]),
        (["好评", "差评"], ["好评", "差评"], [0, 1]),
    ],
)
def test_every_kind_of_label_gets_names_and_ids_in_a_sensible_order(classify, values, names, ids):
    assert classify(values)[:2] == (names, ids)


def test_data_labels_names_the_ids_or_fixes_the_order(classify):
    assert classify([0, 1, 1], names=["bad", "good"])[:2] == (["bad", "good"], [0, 1, 1])
    assert classify(["b", "a"], names=["b", "a"])[:2] == (["b", "a"], [0, 1])
    assert classify([2, 1], names=["1", "2"])[:2] == (["1", "2"], [1, 0])
    assert classify([True, False], names=["no", "yes"])[:2] == (["no", "yes"], [1, 0])


def test_spaces_around_a_label_are_no_part_of_it_and_are_counted(classify):
    known, ids, notes = classify(["pos ", "neg", " pos", "pos"])
    assert (known, ids) == (["neg", "pos"], [1, 0, 1, 1])
    assert "train: spaces around 2 of 4 labels are no part of the class" in notes


def test_a_class_that_training_never_sees_is_told(classify):
    assert "train has no row of 1 of 3 classes: 'c'" in classify(["a", "b"], names=["a", "b", "c"])[2]


@pytest.mark.parametrize(
    ("values", "validation", "names", "said"),
    [
        (
            ["pos", "neg"],
            ["pos", "ngo"],
            None,
            "v.jsonl:2: label 'ngo' in validation is not one of the classes of train",
        ),
        ([0, 1], [0, 7], None, "v.jsonl:2: label '7' in validation"),
        (["a", "b", "c"], None, ["a", "b"], "t.jsonl:3: label 'c' in train is not one of data.labels"),
        ([0, 1, 2], None, ["a", "b"], "t.jsonl:3: label 2 is outside 0 to 1"),
        (["a", "a"], None, None, "only one class 'a' in train"),
        ([0.5, 1.0], None, None, "t.jsonl:1: label 0.5 is not a class"),
        ([["a"], ["b"]], None, None, "label holds lists, not one label a row"),
        ([f"c{i}" for i in range(50)], None, None, "label has 50 classes in 50 rows"),
        (["a", "b"], None, ["a", "b", "a"], "data.labels: 'a' is named twice"),
    ],
)
def test_labels_that_cannot_be_used_are_named_with_their_row(classify, values, validation, names, said):
    with pytest.raises(DataError) as caught:
        classify(values, validation, names)
    assert said in str(caught.value)


def test_class_labels_of_datasets_keep_their_names_and_minus_one_means_none(tmp_path, load):
    feature = {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}}
    table = pa.table({"text": ["a", "b", "c"], "label": [1, 0, -1]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(feature)})
    pq.write_table(table, tmp_path / "a.parquet")
    made = load(train="a.parquet", validation="a.parquet")
    known = labels.classes(made, Data(train="a.parquet"))
    assert known == ["neg", "pos"]
    assert labels.encode(made, "train", known, Data(train="a.parquet")).tolist() == [1, 0]
    assert labels.counts(made, "train", known, Data(train="a.parquet")) == {"neg": 1, "pos": 1}
    assert made.dropped["train"] == 1


def test_dictionary_columns_are_labels_like_any_other(tmp_path, load):
    table = pa.table({"text": ["a", "b"], "label": pa.array(["x", "y"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet")
    assert labels.classes(load(train="a.parquet", validation="a.parquet"), Data(train="a.parquet")) == ["x", "y"]
