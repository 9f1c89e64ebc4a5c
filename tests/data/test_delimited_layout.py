"""What stands between columns is told by the rows, by the file or by the recipe; a header may be missing."""

from __future__ import annotations

import pytest

from workbench.core.errors import DataError
from workbench.data.browse import pager
from workbench.data.formats import by_name
from workbench.data.formats.delimited import FileLayout
from workbench.data.tables import sources

TEXTS = ["the kettle, number 0, was lovely", "dull", "the lamp was warm; very", "a novel"]


def written(header: str | None, mark: str) -> str:
    cells = [[f'"{text}"' if mark in text else text, "ab"[n % 2]] for n, text in enumerate(TEXTS)]
    return "\n".join([*([] if header is None else [header]), *(mark.join(row) for row in cells)]) + "\n"


@pytest.mark.parametrize(
    ("header", "mark"),
    [
        ("text;label", ";"),
        ("text, cleaned;label", ";"),
        ('"text";"label, of two"', ";"),
        ("text (a,b)\tlabel", "\t"),
        ("text;raw,label", ","),
        ("text|label, if any", "|"),
    ],
)
def test_the_rows_tell_what_stands_between_columns_whatever_the_header_holds(write, header, mark):
    table = by_name.read_file(write("t.csv", written(header, mark)))
    assert table.num_columns == 2
    assert table.column(0).to_pylist() == TEXTS


@pytest.mark.parametrize("said", ["sep=;", '"sep=;"', "SEP=;", "sep=;\r"])
def test_excels_line_is_no_row_and_lines_are_counted_with_it(write, said):
    table = by_name.read_file(write("t.csv", f"{said}\n{written('text;label', ';')}"))
    assert (table.column_names, table.column("text").to_pylist()) == (["text", "label"], TEXTS)
    with pytest.raises(DataError, match=r"t\.csv:4: row 2 has 3 fields where the header names 2"):
        by_name.read_file(write("t.csv", f"{said}\ntext;label\na;b\na;b;c\n"))


def test_a_tsv_file_written_with_commas_is_read(write):
    table = by_name.read_file(write("t.tsv", written("text,label", ",")))
    assert (table.column_names, table.column("text").to_pylist()) == (["text", "label"], TEXTS)


def test_the_recipe_may_say_it(write, load):
    write("t.csv", "text^label\na ^x\nb^y\n")
    made = load(train="t.csv", validation="t.csv", delimiter="^")
    assert made.train.column("label").to_pylist() == ["x", "y"]
    write("t.txt", "text;label\na;x\nb;y\n")
    assert load(train="t.txt", validation="t.txt", delimiter=";").train.column("text").to_pylist() == ["a", "b"]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_file_without_a_header_loses_no_row(write, load, suffix):
    write(f"t.{suffix}", written(None, "," if suffix == "csv" else "\t"))
    made = load(train=f"t.{suffix}", validation=f"t.{suffix}", header=False)
    assert (made.text, made.label, made.train.num_rows) == ("column_1", "column_2", 4)
    made = load(train=f"t.{suffix}", validation=f"t.{suffix}", header=["text", "label"])
    assert made.train.column("text").to_pylist() == TEXTS
    with pytest.raises(DataError, match=r":1: the first row has 2 fields, and data\.header names 1 columns"):
        load(train=f"t.{suffix}", validation=f"t.{suffix}", header=["text"])


def test_rows_of_a_file_without_a_header_are_counted_from_the_first(write):
    path = write("t.csv", "a,b\nc,d\ne,f,g\n")
    with pytest.raises(DataError, match=r"t\.csv:3: row 3 has 3 fields where the first row has 2"):
        by_name.of(path, layout=FileLayout(header=False)).read(path)


def test_pages_are_of_the_same_columns(write):
    path = write("t.csv", f"sep=;\n{written(None, ';')}")
    pages = pager.open_pager(sources.from_file(path, layout=FileLayout(header=("x", "y"))).part("train"))
    assert pages.page(0, 9) == [{"x": text, "y": "ab"[n % 2]} for n, text in enumerate(TEXTS)]


def test_columns_named_twice_or_not_at_all_stop_nobody_who_does_not_read_them(write, load):
    write("t.csv", "text,label,note,note,,\na,x,1,2,,\nb,y,3,4,,z\n")
    made = load(train="t.csv", validation="t.csv")
    assert made.train.column_names == ["text", "label", "note", "note_2", "column_6", "__row__"]
    with pytest.raises(DataError, match=r"t\.csv:1: the header names column 'note' twice"):
        load(train="t.csv", validation="t.csv", label="note")


def test_the_index_that_pandas_writes_without_a_name_is_a_column(write, load):
    write("t.csv", ",text,label\n0,a,x\n1,b,y\n")
    assert load(train="t.csv", validation="t.csv").train.column("").to_pylist() == [0, 1]


def test_what_is_no_delimiter_is_refused(make_recipe):
    assert make_recipe(delimiter="tab", train="t.csv").data.delimiter == "\t"
    with pytest.raises(ValueError, match="it is one character"):
        make_recipe(delimiter="::", train="t.csv")
