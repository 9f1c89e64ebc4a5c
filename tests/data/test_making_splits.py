"""Which rows a recipe trains, validates and tests on."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import DataError
from workbench.data.tables import slices, splits
from workbench.tasks.loading import splits_for


@pytest.fixture
def hundred(write):
    """100 rows numbered in their text, a quarter of them labelled 1, and ten rows of validation."""
    write(
        "set/train.jsonl", "".join(json.dumps({"text": f"t{i}", "label": int(i % 4 == 0)}) + "\n" for i in range(100))
    )
    write("set/validation.jsonl", "".join(json.dumps({"text": f"v{i}", "label": i % 2}) + "\n" for i in range(10)))
    return "set"


def rows_of(table: pa.Table) -> list[int]:
    return table.column("__row__").to_pylist()


def test_shuffling_then_slicing_takes_the_very_rows_that_datasets_takes(load, hundred):
    import datasets

    theirs = datasets.Dataset.from_dict({"i": list(range(100))}).shuffle(seed=42).select(range(30))["i"]
    ours = load(source=hundred, train="train[:30]", shuffle_seed=42).train
    assert rows_of(ours) == list(theirs)
    assert ours.column("text").to_pylist() == [f"t{row}" for row in rows_of(ours)]


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [("[:5]", 0, 4), ("[10%:20%]", 10, 19), ("[-3:]", 97, 99), ("[:-98]", 0, 1), ("[ 50% : ]", 50, 99), ("", 0, 99)],
)
def test_slices_mean_what_they_mean_in_datasets(load, hundred, written, first, last):
    assert rows_of(load(source=hundred, train=f"train{written}").train) == list(range(first, last + 1))


@given(st.integers(1, 5000), st.integers(-100, 100), st.integers(-100, 100))
def test_percent_slices_round_as_datasets_does(rows, start, stop):
    from datasets.arrow_reader import _rel_to_abs_instr, _RelativeInstruction

    their = _rel_to_abs_instr(_RelativeInstruction("train", start, stop, "%", "closest"), {"train": rows})
    first, end, _ = slices.parse(f"train[{start}%:{stop}%]", "data.train").bounds(rows)
    assert range(first, end) == range(their.from_, max(their.from_, their.to))


def test_files_can_be_sliced_and_stand_beside_a_source(load, hundred, write):
    write("more.csv", "text,label\na,0\nb,1\nc,1\n")
    made = load(source=hundred, test="more.csv[1:]")
    assert made.test is not None
    assert made.test.column("text").to_pylist() == ["b", "c"]
    assert made.place("test", 0).endswith("more.csv, row 2")


def test_every_split_may_be_a_file_without_a_source(load, write):
    write("a.tsv", "label\ttext_a\n1\tx\n0\ty\n")
    write("b.tsv", "label\ttext_a\n1\tz\n")
    made = load(train="a.tsv", validation="b.tsv")
    assert (made.text, made.label) == ("text_a", "label")
    assert made.validation is not None
    assert made.validation.num_rows == 1


def test_a_file_named_like_the_source_s_own_is_found_in_its_directory(load, hundred):
    assert load(source=hundred, train="train.jsonl[:7]").train.num_rows == 7


def test_the_source_s_validation_split_is_used_unless_a_holdout_is_asked_for(load, hundred):
    assert load(source=hundred).validation.num_rows == 10
    made = load(source=hundred, holdout=20)
    assert (made.train.num_rows, made.validation.num_rows) == (80, 20)
    assert set(rows_of(made.train)).isdisjoint(rows_of(made.validation))


def test_a_split_that_is_trained_on_is_not_validated_on_too(load, hundred):
    made = load(source=hundred, train="validation")
    assert (made.train.num_rows, made.validation.num_rows) == (9, 1)
    assert set(rows_of(made.train)).isdisjoint(rows_of(made.validation))


def test_a_tenth_is_held_out_stratified_where_there_is_no_validation(load, write):
    write("a.csv", "text,label\n" + "".join(f"t{i},{'rare' if i % 10 == 0 else 'usual'}\n" for i in range(200)))
    made = load(source="a.csv")
    assert (made.train.num_rows, made.validation.num_rows) == (180, 20)
    assert made.validation.column("label").to_pylist().count("rare") == 2
    assert made.notes == ["validation: 20 of 200 rows held out of train, stratified by label"]
    assert rows_of(made.train) == sorted(rows_of(made.train))


def test_which_rows_are_held_out_hangs_on_the_seed_only(load, hundred):
    def held(seed):
        return rows_of(load(source=hundred, holdout=0.3, holdout_seed=seed).validation)

    assert held(1) == held(1) != held(2)


@given(st.lists(st.integers(2, 60), min_size=2, max_size=8), st.floats(0.01, 0.6))
def test_a_stratified_holdout_leaves_every_class_on_both_sides(sizes, share):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    table = pa.table({"label": labels, "__row__": np.arange(len(labels))})
    notes: list[str] = []
    train, held = splits.hold_out(table, share, 0, "label", notes)
    assert train.num_rows + held.num_rows == len(labels)
    assert sorted(rows_of(train) + rows_of(held)) == list(range(len(labels)))
    wanted = max(1, round(len(labels) * share))
    if wanted < len(sizes):
        assert notes[0].endswith("not stratified: fewer rows than classes")
        assert held.num_rows == wanted
        return
    assert notes[0].endswith("held out of train, stratified by label")
    assert held.num_rows == min(wanted, len(labels) - len(sizes)), "all that was asked for, but a row of each class"
    for side in (train, held):
        assert set(side.column("label").to_pylist()) == set(range(len(sizes)))


@pytest.mark.parametrize(
    ("sizes", "wanted", "held"),
    [
        ([10, 30, 60], 10, [1, 3, 6]),
        ([30, 30, 40], 11, [3, 3, 5]),  # 3.3, 3.3 and 4.4: the largest remainder is rounded up
        ([2, 2, 96], 6, [1, 1, 4]),  # a row of each class, which the largest pays for
        ([2, 3], 3, [1, 2]),  # one is left of each
        ([2, 2, 30], 31, [1, 1, 29]),  # though the small ones have the larger remainders
    ],
)
def test_each_class_gives_up_its_share(sizes, wanted, held):
    table = pa.table({"label": np.repeat(np.arange(len(sizes)), sizes), "__row__": np.arange(sum(sizes))})
    _, validation = splits.hold_out(table, wanted, 0, "label", [])
    assert np.bincount(validation.column("label").to_numpy()).tolist() == held


@pytest.mark.parametrize(("share", "held"), [(0.27, 3), (0.22, 2), (0.01, 1), (4, 4)])
def test_a_share_is_rounded_to_the_nearest_row_and_a_number_is_kept(share, held):
    table = pa.table({"text": [f"t{row}" for row in range(10)], "__row__": np.arange(10)})
    train, validation = splits.hold_out(table, share, 0, None, [])
    assert (train.num_rows, validation.num_rows) == (10 - held, held)


def test_a_class_with_a_single_row_means_no_stratifying_and_says_so(load, write):
    write("a.csv", "text,label\n" + "".join(f"t{i},{'once' if i == 3 else 'usual'}\n" for i in range(30)))
    assert load(source="a.csv").notes == [
        "validation: 3 of 30 rows held out of train, not stratified: a class has a single row"
    ]


def test_numbers_to_foresee_are_no_classes_though_a_csv_writes_them_as_text(load, write):
    write("a.csv", "text,score\n" + "".join(f"t{i},{i / 4}\n" for i in range(30)))
    assert load(source="a.csv").notes == ["validation: 3 of 30 rows held out of train"]


def test_nothing_is_held_out_when_nothing_is_evaluated(load, write, make_recipe, tmp_path):
    write("a.csv", "text,label\na,1\nb,0\n")
    recipe = make_recipe(tables={"evaluate": {"every": "never"}}, source="a.csv")
    assert splits_for(recipe, [tmp_path]).validation is None


def test_the_test_split_is_only_read_where_the_recipe_names_it(load, hundred, write):
    write("set/test.jsonl", "broken")
    assert load(source=hundred).test is None
    with pytest.raises(DataError, match=r"test\.jsonl:1"):
        load(source=hundred, test="test")


def test_a_subset_is_a_seeded_part_of_train_and_leaves_validation_alone(load, hundred):
    made = load(source=hundred, subset={"rows": 25, "seed": 7})
    assert rows_of(made.train) == np.random.default_rng(7).permutation(100)[:25].tolist()
    assert made.validation.num_rows == 10
    whole = load(source=hundred, subset={"rows": 500})
    assert whole.train.num_rows == 100
    assert "500 rows asked for, train has 100" in whole.notes[0]


def test_empty_rows_are_dropped_counted_and_keep_the_others_numbers(load, write):
    write(
        "a.jsonl",
        '{"text":"a","label":1}\n{"text":"  ","label":1}\n{"text":"b"}\n'
        '{"text":null,"label":0}\n{"text":"c","label":0}\n',
    )
    write("v.jsonl", '{"text":"d","label":1}\n')
    made = load(train="a.jsonl", validation="v.jsonl")
    assert made.dropped == {"train": 3, "validation": 0}
    assert rows_of(made.train) == [0, 4]
    assert made.place("train", 1).endswith("a.jsonl:5")
    assert made.notes == ["data.train: 3 of 5 rows dropped for an empty text or label"]


def test_lines_of_a_text_are_kept_and_held_out_in_one_piece(load, write):
    write("a.txt", "".join(f"line {i}\n\n" for i in range(10)))
    made = load("causal-lm", train="a.txt", subset={"rows": 4})
    assert rows_of(made.validation) == [18, 19]
    assert made.validation.column("text").to_pylist() == ["line 9", ""]
    first = rows_of(made.train)[0]
    assert rows_of(made.train) == list(range(first, first + 4))
    assert made.dropped == {"train": 0, "validation": 0}


def test_documents_without_text_are_dropped_for_causal_lm_too(load, write):
    write("a.jsonl", '{"text":"a"}\n{"text":""}\n{"text":"b"}\n')
    assert load("causal-lm", train="a.jsonl", holdout=1).dropped["train"] == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"train": "trian"}, "no split 'trian' (did you mean 'train'?): it has train, validation"),
        ({"train": "train[50:50]"}, "data.train: train[50:50] has no rows"),
        ({"train": "train[200:]"}, "data.train: train[200:] has no rows"),
        ({"train": "train[:x]"}, "data.train: 'train[:x]' is no split"),
        ({"train": "train[:5"}, "data.train: 'train[:5' is no split"),
        (
            {"text": "txt"},
            "no column 'txt' (did you mean 'text'?): set data.text to one of text (string), label (whole number)",
        ),
        ({"label": "lable"}, "no column 'lable' (did you mean 'label'?)"),
        ({"holdout": 100}, "data.holdout: 100 rows cannot be held out of 100"),
        ({"validation": "missing.csv"}, "missing.csv: no such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(load, hundred, data, said):
    with pytest.raises(DataError) as caught:
        load(source=hundred, **data)
    assert said in str(caught.value)


def test_a_slice_beyond_the_rows_is_cut_and_noted(load, hundred):
    made = load(source=hundred, train="train[:500]")
    assert made.train.num_rows == 100
    assert made.notes == ["train[:500]: there are only 100 rows"]


def test_a_validation_file_that_lacks_a_column_is_named(load, hundred, write):
    write("v.jsonl", '{"text":"a","target":1}\n')
    with pytest.raises(DataError, match=r"v\.jsonl: no column 'label'"):
        load(source=hundred, validation="v.jsonl")


def test_a_table_without_a_text_lists_its_columns(load, write):
    write("a.jsonl", '{"tokens":["a"],"ner_tags":["O"]}\n')
    with pytest.raises(
        DataError, match=r"set data\.text and data\.label to columns out of tokens \(list\), ner_tags \(list\)"
    ):
        load(source="a.jsonl")
    with pytest.raises(DataError, match=r"no column is recognised as the text"):
        load("causal-lm", source="a.jsonl")


def test_the_only_column_of_strings_is_the_text(load, write):
    write("a.jsonl", '{"n":1,"utt":"hello there","class":0}\n{"n":2,"utt":"again","class":1}\n')
    made = load(source="a.jsonl", holdout=1)
    assert (made.text, made.label) == ("utt", "class")
