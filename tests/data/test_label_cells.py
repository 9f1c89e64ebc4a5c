"""Several labels in one cell of text: asked about, and read; never classes of their own without a word."""

from __future__ import annotations

import pytest

from workbench.core.errors import BadInput, DataError
from workbench.data.tables import labels
from workbench.tasks import recipe_union

SETS = ["quality", "delivery", "price", "delivery, price", "price, quality", "quality", "delivery, quality"]


@pytest.fixture
def read(load, write):
    """The splits and the classes of rows with these cells of labels."""

    def made(cells: list[str], **data):
        quoted = ('"' + cell.replace('"', '""') + '"' for cell in cells)
        write("t.csv", "text,labels\n" + "\n".join(f"text {n},{cell}" for n, cell in enumerate(quoted)) + "\n")
        splits = load("text-classification", train="t.csv", validation="t.csv", **data)
        recipe = {"name": "x", "task": "text-classification", "model": {"name": "m"}, "data": {"train": "t.csv"} | data}
        asked = recipe_union.stored(recipe).data
        known = labels.classes(splits, asked)
        return splits, known, labels.names(splits, "train", asked).to_pylist()

    return made


@pytest.mark.parametrize("separator", ["|", ";", ",", "/", "+", "#", " "])
def test_cells_of_several_labels_are_asked_about_and_the_answer_works(read, separator):
    cells = [cell.replace(", ", separator) for cell in SETS]
    with pytest.raises(DataError, match=r"t.csv: 3 different cells of labels seem to hold several labels") as asked:
        read(cells)
    assert f'data.label_separator = "{separator}"' in asked.value.sentence
    _, known, named = read(cells, label_separator=separator)
    assert known == ["delivery", "price", "quality"]
    assert named[3] == "delivery, price"
    assert len(read(cells, problem="single-label")[1]) == 6


@pytest.mark.parametrize(
    "cells",
    [
        [f"['{cell.replace(', ', chr(39) + ', ' + chr(39))}']" for cell in SETS],
        [f"[{' '.join(repr(name) for name in cell.split(', '))}]" for cell in SETS],
        [f'["{cell.replace(", ", chr(34) + ", " + chr(34))}"]' for cell in SETS],
        [f"{{{cell}}}" for cell in SETS],
    ],
)
def test_printed_lists_are_asked_about_and_read(read, cells):
    with pytest.raises(DataError, match=r'each cell of labels is a printed list.*set data.problem = "multi-label"'):
        read(cells)
    splits, known, named = read([*cells, "[]", ""], problem="multi-label")
    assert known == ["delivery", "price", "quality"]
    assert named[3:5] == ["delivery, price", "price, quality"]
    assert named[-1] == "(none)"
    assert splits.dropped["train"] == 1  # a cell with nothing in it is no empty list


@pytest.mark.parametrize("between", [", ", " ", ","])
def test_printed_zeros_and_ones_are_places(read, between):
    cells = [f"[{between.join(row)}]" for row in ("001", "100", "010", "110", "011", "111")]
    _, known, named = read(cells, problem="multi-label", labels=["a", "b", "c"])
    assert known == ["a", "b", "c"]
    assert named == ["c", "a", "b", "a, b", "b, c", "a, b, c"]


def test_zeros_and_ones_between_commas_are_places_too(read):
    cells = ["0,0,1", "1,0,0", "0,1,0", "1,1,0"]
    assert read(cells, label_separator=",", labels=["a", "b", "c"])[2] == ["c", "a", "b", "a, b"]


@pytest.mark.parametrize(
    "cells",
    [
        ["weather", "sports", "Dallas, TX"] * 3,
        ["Dallas, TX", "Austin, TX", "Boston, MA", "Salem, MA", "Salem, OR"] * 3,
        ["New York, NY", "New York", "Boston"] * 3,
    ],
)
def test_names_that_hold_a_comma_are_classes_and_a_warning_says_so(read, cells):
    splits, known, _ = read(cells)
    assert known == sorted(set(cells))
    assert any("hold commas, such as" in warning for warning in splits.warnings)


@pytest.mark.parametrize(
    "cells", [["very good", "good", "bad"], ["pos", "neg"], ["3", "4", "5"], ["Books/Art", "Books"]]
)
def test_plain_classes_are_no_matter(read, cells):
    splits, known, _ = read(cells * 3)
    assert (known, splits.warnings) == (sorted(cells), [])


def test_names_given_in_the_recipe_are_answer_enough(read):
    splits, known, _ = read(SETS, labels=sorted(set(SETS)))
    assert (len(known), splits.warnings) == (6, [])


def test_several_labels_in_cells_of_text_need_a_separator(read):
    with pytest.raises(DataError, match=r'set data.label_separator to what stands between .* such as ","'):
        read(SETS, problem="multi-label")


def test_a_separator_for_one_label_makes_no_sense(read):
    with pytest.raises(BadInput, match=r"data.label_separator: one label a row is asked for"):
        read(SETS, problem="single-label", label_separator=",")


def test_ids_between_spaces_are_several_labels(read):
    cells = ["1 3 7", "3 7", "1 7", "3 1"]
    with pytest.raises(DataError, match=r'seem to hold several labels between spaces.*data.label_separator = " "'):
        read(cells)
    assert read(cells, label_separator=" ")[1] == ["1", "3", "7"]


def test_classes_that_two_hands_wrote_are_a_warning_that_counts(read):
    splits, known, _ = read(["Positive", "positive", "NEGATIVE", "negative", "very  good", "Very good"])
    assert len(known) == 6
    assert splits.warnings == [
        "6 classes of labels are 3 but for case, spaces and leading zeros, such as 'NEGATIVE' and 'negative': "
        "if they are the same, write them alike"
    ]
    assert read(["01", "1", "2", "02"])[0].warnings
    assert read(["a", "A", "b"], labels=["a", "A", "b"])[0].warnings == []
    assert read(["0", "10", "100"])[0].warnings == []
