"""From what stands in a label column to classes and ids."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import DataError
from workbench.data.tables import labels, problem, targets
from workbench.tasks.text_classification.spec import TextClassificationData as Data


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
        ([0.0, 1.0], [1.0, 0.5], None, "v.jsonl:2: label 0.5 is not a class"),
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


def test_numbers_mean_the_same_in_every_split(classify, write, load):
    # Ids 1 and 2 would be names as they stand, were it not for the 0 of train.
    assert classify([0, 1, 2], names=["1", "2", "3"])[:2] == (["1", "2", "3"], [0, 1, 2])
    data = {"train": "t.jsonl", "validation": "v.jsonl", "labels": ["1", "2", "3"]}
    write("v.jsonl", '{"text": "v", "label": 1}\n{"text": "w", "label": 2}')
    made = load(**data)
    assert labels.encode(made, "validation", ["1", "2", "3"], Data(**data)).tolist() == [1, 2]


def test_whole_numbers_with_a_point_are_classes_and_it_is_said(classify):
    known, _, notes = classify([1.0, 2.0, 5.0])
    assert known == ["1", "2", "5"]
    assert any("whole numbers are read as classes" in note for note in notes)


@pytest.fixture
def learn(write, load):
    """Of these rows of fields: the names, what is learnt of train, how it is read, the notes and the problem."""

    def run(rows, validation=None, **data):
        for name, held in (("t.jsonl", rows), ("v.jsonl", validation or rows[:1])):
            write(name, "".join(json.dumps({"text": f"t{i}"} | row) + "\n" for i, row in enumerate(held)))
        asked = {"train": "t.jsonl", "validation": "v.jsonl"} | data
        made, wanted = load(**asked), Data.model_validate(asked)
        known = labels.classes(made, wanted)
        encoded = labels.encode(made, "train", known, wanted)
        read = labels.names(made, "train", wanted).to_pylist()
        return known, encoded.tolist(), read, made, problem.of(made, wanted)

    return run


def lists(*values):
    return [{"labels": value} for value in values]


@pytest.mark.parametrize(
    ("values", "given_names", "names", "learnt"),
    [
        ([["b", "a"], [], ["a"]], None, ["a", "b"], [[1, 1], [0, 0], [1, 0]]),
        ([[" a"], ["b "], ["a", "a"]], None, ["a", "b"], [[1, 0], [0, 1], [1, 0]]),
        ([[10], [9, 10], []], None, ["9", "10"], [[0, 1], [1, 1], [0, 0]]),
        ([[0], [1, 2]], ["x", "y", "z"], ["x", "y", "z"], [[1, 0, 0], [0, 1, 1]]),
        ([["好评"], ["好评", "差评"]], ["差评", "好评"], ["差评", "好评"], [[0, 1], [1, 1]]),
        # A zero or a one for each label: no list of ids holds one twice.
        ([[0, 1, 1], [0, 0, 0]], None, ["0", "1", "2"], [[0, 1, 1], [0, 0, 0]]),
        ([[0.0, 1.0], [1.0, 1.0]], ["x", "y"], ["x", "y"], [[0, 1], [1, 1]]),
        ([[True], [False]], ["spam"], ["spam"], [[1], [0]]),
        # As long as each other, and ids all the same.
        ([[0, 2], [1, 0]], None, ["0", "1", "2"], [[1, 0, 1], [1, 1, 0]]),
        ([[0], [1]], None, ["0", "1"], [[1, 0], [0, 1]]),
    ],
)
def test_lists_are_any_number_of_labels(learn, values, given_names, names, learnt):
    known, encoded, _, _, kind = learn(lists(*values), labels=given_names)
    assert (kind, known, encoded) == ("multi-label", names, learnt)


def test_a_row_without_a_label_is_a_row_and_one_whose_list_is_missing_is_not(learn):
    _, encoded, read, made, _ = learn(lists(["a", "b"], [], None, ["b"]))
    assert (encoded, read) == ([[1, 1], [0, 0], [0, 1]], ["a, b", "(none)", "b"])
    assert made.dropped["train"] == 1


def test_columns_of_zeros_and_ones_are_labels(learn):
    rows = [{"toxic": 1, "insult": False}, {"toxic": 0, "insult": False}, {"toxic": 1, "insult": True}]
    known, encoded, read, made, kind = learn(rows, label=["toxic", "insult"])
    assert (kind, known) == ("multi-label", ["toxic", "insult"])
    assert (encoded, read) == ([[1, 0], [0, 0], [1, 1]], ["toxic", "(none)", "toxic, insult"])
    asked = Data(train="t.jsonl", label=["toxic", "insult"])
    assert labels.counts(made, "train", known, asked) == {"toxic": 2, "insult": 1}
    assert learn(rows, label=["toxic", "insult"], labels=["x", "y"])[0] == ["x", "y"]
    assert learn(rows, label="toxic", problem="multi-label")[1] == [[1], [0], [1]]
    # Left to itself, a column of two numbers is two classes.
    assert learn(rows, label="toxic")[:2] == (["0", "1"], [1, 0, 1])


def test_class_labels_in_lists_keep_their_names(tmp_path, load):
    names = {"names": ["joy", "anger"], "_type": "ClassLabel"}
    for feature in ({"feature": names, "_type": "List"}, [names]):
        features = {"info": {"features": {"labels": feature}}}
        table = pa.table({"text": ["a", "b", "c"], "labels": pa.array([[1], [0, 1], []], pa.list_(pa.int64()))})
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
        pq.write_table(table, tmp_path / "a.parquet")
        asked = Data(train="a.parquet[1:]", validation="a.parquet")
        made = load(train="a.parquet[1:]", validation="a.parquet")
        known = labels.classes(made, asked)
        assert known == ["joy", "anger"]
        assert labels.encode(made, "train", known, asked).tolist() == [[1, 1], [0, 0]]


def test_numbers_with_a_fraction_are_targets(learn):
    known, encoded, read, made, kind = learn([{"label": 0.5}, {"label": 3}, {"label": -1e9}])
    assert "label: read as regression" in made.notes
    assert (kind, known, encoded) == ("regression", ["label"], [[0.5], [3.0], [-1e9]])
    assert read[0] == "0.5"
    rows = [{"arousal": 1, "valence": 0.5}, {"arousal": 7, "valence": 1.0}]
    known, encoded, read, _, kind = learn(rows, label=["valence", "arousal"])
    assert (kind, known, encoded) == ("regression", ["valence", "arousal"], [[0.5, 1.0], [1.0, 7.0]])
    assert read == ["0.5, 1", "1, 7"]


def test_files_without_types_hold_numbers_all_the_same(write, load):
    write("t.tsv", "text\tscore\tother\na\t2.500\t1\nb\t 5\t0.0\nc\t-1e-2\t1.0\n")
    asked = {"train": "t.tsv", "validation": "t.tsv", "label": "score"}
    made, data = load(**asked), Data(**asked)
    assert problem.of(made, data) == "regression"
    assert labels.encode(made, "train", labels.classes(made, data), data).tolist() == [[2.5], [5.0], [-0.01]]
    asked["label"] = ["other"]
    made, data = load(**asked), Data(**asked, problem="multi-label")
    assert labels.encode(made, "train", labels.classes(made, data), data).tolist() == [[1], [0], [1]]
    write("t.tsv", "text\tscore\na\t2.5\nb\ttwo\n")
    asked["label"] = "score"
    with pytest.raises(DataError, match=r"t\.tsv, row 2: 'score' is 'two', and a regression learns numbers"):
        labels.classes(load(**asked), Data(**asked, problem="regression"))


def test_ratings_are_classes_unless_the_recipe_says_that_they_are_numbers(learn):
    rows = [{"stars": 5}, {"stars": 1}, {"stars": 3}]
    assert learn(rows)[4] == "single-label"
    assert learn(rows, problem="regression")[:2] == (["stars"], [[5.0], [1.0], [3.0]])


@pytest.mark.parametrize(
    ("rows", "validation", "data", "said"),
    [
        (lists(["a"], ["b"]), lists([], ["c"]), {}, "v.jsonl:2: label 'c' in validation is not one of the classes of"),
        (lists(["anger"], ["b"]), lists(["angr"]), {}, "(did you mean 'anger'?)"),
        (lists(["a"], ["b", None]), None, {}, "t.jsonl:2: a label in the list is missing"),
        (lists(["a"], ["b", " "]), None, {}, "t.jsonl:2: a label in the list is an empty string"),
        (lists([0], [3, 1]), None, {"labels": ["x", "y"]}, "t.jsonl:2: label 3 is outside 0 to 1"),
        (lists([], []), None, {}, "no row of train has a label"),
        (lists(["a"], ["b"]), None, {"problem": "single-label"}, "labels holds lists, not one label a row"),
        (lists(["a"], ["b"]), None, {"problem": "regression"}, "'labels' holds lists, and a regression learns numbers"),
        (lists([0, 0, 1], [1, 1, 0]), lists([0, 0, 1], [1, 1]), {}, "v.jsonl:2: a list of 2 where each has 3"),
        (lists([0, 0, 1], [1, 1, 0]), None, {"labels": ["a"]}, "1 names for lists of 3 zeros and ones"),
        (lists(["a"], ["b"]), [{"labels": "a"}], {}, "'labels' holds strings in validation and lists in train"),
        ([{"label": "a"}, {"label": "b"}], None, {"problem": "multi-label"}, "'label' holds strings, not labels"),
        ([{"label": 0}, {"label": 4}], None, {"problem": "multi-label"}, "t.jsonl:2: 'label' is 4, neither 0 nor 1"),
        ([{"label": "a"}], None, {"problem": "regression"}, "t.jsonl:1: 'label' is 'a', and a regression"),
        ([{"label": True}], None, {"problem": "regression"}, "'label' holds true and false,"),
        ([{"a": 1, "b": 7}], None, {"label": ["a", "b"]}, "'b' holds numbers beyond 0 and 1"),
        ([{"a": 1, "b": "x"}], None, {"label": ["a", "b"]}, "'b' holds strings"),
        ([{"a": 1, "b": 0}], None, {"label": ["a", "b"], "problem": "single-label"}, "one label is one column, and 2"),
        ([{"a": 1, "b": 0}], None, {"label": ["a", "b"], "labels": ["a"]}, "1 names for 2 columns of labels"),
    ],
)
def test_labels_of_the_wrong_kind_are_told_in_a_sentence(learn, rows, validation, data, said):
    with pytest.raises(DataError) as caught:
        learn(rows, validation, **data)
    assert said in str(caught.value)


def test_a_target_that_is_infinite_is_told_with_its_row_and_a_missing_one_is_dropped(tmp_path, load):
    values = [0.5, None, float("inf"), float("nan")]
    pq.write_table(pa.table({"text": list("abcd"), "label": values}), tmp_path / "a.parquet")
    made = load(train="a.parquet", validation="a.parquet")
    assert made.dropped["train"] == 2
    assert "train: 1 of 4 values of 'label' is 'NaN', read as missing" in made.notes
    with pytest.raises(DataError, match=r"row 3: 'label' is inf"):
        labels.classes(made, Data(train="a.parquet"))
    with pytest.raises(DataError, match="is not a class"):
        labels.classes(made, Data(train="a.parquet", problem="single-label"))


@given(st.lists(st.sets(st.sampled_from("abcde")), min_size=1, max_size=20))
def test_the_labels_of_any_rows_come_back_from_what_is_learnt(rows):
    from workbench.data.tables import label_sets

    flat = [name for row in rows for name in sorted(row)]
    at = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    marks = label_sets.Marks(pa.chunked_array([pa.array(flat, pa.string())]), at)
    matrix = marks.matrix(np.array(["abcde".index(name) for name in flat], np.int64), len(rows), 5)
    assert [{"abcde"[place] for place in np.flatnonzero(row)} for row in matrix] == rows
    assert marks.readable(len(rows)).to_pylist() == [", ".join(sorted(row)) or label_sets.NONE for row in rows]


def test_targets_come_back_from_the_scale_they_are_learnt_on():
    values = np.array([[1e6, 0.001], [3e6, 0.003], [2e6, 0.002]])
    scale = targets.Scale.of(values, ["a", "b"], "here")
    assert scale.put(values).mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert scale.put(values).std(axis=0) == pytest.approx([1, 1], abs=1e-6)
    assert scale.back(scale.put(values)) == pytest.approx(values, rel=1e-6)
    with pytest.raises(DataError, match=r"'b' is 0\.1 in every row of train"):
        targets.Scale.of(np.array([[1.0, 0.1], [2.0, 0.1], [4.0, 0.1]]), ["a", "b"], "here")
