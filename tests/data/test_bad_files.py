"""A file that cannot be used says which line is to blame and how to correct it."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.core.errors import DataError
from workbench.data.formats import by_name, column_faults
from workbench.data.tables import sources


def read(path) -> None:
    """Every column of every split."""
    for part in sources.open_named(str(path), []).parts.values():
        column_faults.check(part.table(), part.table().column_names)


def complaint(path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value).replace(str(path.parent) + "/", "")


def test_a_broken_json_line_is_named(write):
    path = write("a.jsonl", '{"text": "a"}\n\n{"text": "b"\n{"text": "c"}\n')
    assert complaint(path).startswith("a.jsonl:3: not JSON: Expecting ',' delimiter")


def test_a_line_that_is_no_object_is_named(write):
    assert complaint(write("a.jsonl", '{"text": "a"}\n["b"]\n')) == "a.jsonl:2: holds a list where an object belongs"


def test_mixed_types_are_named_with_both_types(write):
    rows = [{"text": "a", "label": 1}] * 3000 + [{"text": "b", "label": "1"}]
    path = write("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    expected = "a.jsonl:3001: 'label' holds a string, '1', where the rows before hold a number"
    assert complaint(path).startswith(expected)


def test_half_a_surrogate_pair_is_named(write):
    path = write("a.jsonl", '{"text": "a"}\n{"text": "\\ud83d"}\n')
    assert complaint(path).startswith("a.jsonl:2: text holds half a surrogate pair")


def test_a_key_given_twice_is_named(write):
    assert complaint(write("a.jsonl", '{"text": "a", "text": "b"}\n')) == "a.jsonl:1: key 'text' is given twice"


def test_latin_1_is_told_with_the_line_and_how_to_convert_it(write):
    for name, content in (
        ("a.jsonl", '{"text": "a"}\n{"text": "café"}\n'),
        ("a.csv", "text\ncafé\n"),
        ("a.tsv", "text\ncafé\n"),
        ("a.txt", "a\ncafé\n"),
        ("a.json", '[\n"café"]'),
    ):
        said = complaint(write(name, content.encode("latin-1")))
        assert said.startswith(f"{name}:2: byte 0xe9 is not UTF-8"), said
        assert "iconv -f CP1252" in said


def test_utf_16_is_recognised(write):
    assert complaint(write("a.csv", "text,label\na,1\n".encode("utf-16"))).startswith("a.csv: the file is UTF-16")


def test_a_ragged_csv_row_is_named_by_its_line_although_fields_hold_line_feeds(write):
    path = write("a.csv", 'text,label\n"one\ntwo",1\nthree, four,0\n')
    assert complaint(path).startswith("a.csv:4: row 2 has 3 fields where the header names 2")


def test_a_ragged_tsv_row_is_named(write):
    path = write("a.tsv", "text\tlabel\none\t1\ntwo\n")
    assert complaint(path).startswith("a.tsv:3: row 2 has 1 fields where the header names 2")


@pytest.mark.parametrize("last", ['text,label\na,1\n"b,2\nc,3\n', 'label,text\n1,a\n2,"b\n3,c\n'])
def test_an_open_quote_never_swallows_the_rest_of_the_file(write, last):
    said = complaint(write("a.csv", last))
    assert said.startswith("a.csv:3: ")
    assert "never closed" in said or "fields" in said


def test_a_column_named_twice_is_named(write):
    assert complaint(write("a.csv", "text,text\na,b\n")) == "a.csv:1: the header names column 'text' twice"


@pytest.mark.parametrize("suffix", by_name.SUFFIXES)
def test_an_empty_file_is_said_to_be_empty(write, suffix):
    assert "empty" in complaint(write(f"a{suffix}", ""))


def test_json_without_rows_says_what_is_wanted(write):
    assert "holds no list of objects" in complaint(write("a.json", '{"version": 1}'))
    assert complaint(write("b.json", "[\n1,\n}")).startswith("b.json:3: not JSON")


def test_damaged_parquet_and_arrow_are_named(write, tmp_path):
    good = tmp_path / "good.parquet"
    pq.write_table(pa.table({"text": ["a"] * 1000}), good)
    torn = write("a.parquet", good.read_bytes()[:-20])
    assert complaint(torn).startswith("a.parquet: cannot be read as parquet")
    assert complaint(write("a.arrow", b"ARROW1\0\0nothing")).startswith("a.arrow: cannot be read as arrow")


def test_a_column_that_one_shard_lacks_is_named_with_the_shard(write, tmp_path):
    write("train-0.csv", "text,label\na,1\n")
    write("train-1.csv", "text\nb\n")
    said = complaint(tmp_path)
    assert said.endswith("train-1.csv: column 'label' is in only one of this file and train-0.csv")


def test_shards_of_different_types_are_told(write, tmp_path):
    write("train-0.csv", "text,label\na,1\n")
    write("train-1.csv", "text,label\nb,good\n")
    assert "train-1.csv: the files of this split hold a column in different types" in complaint(tmp_path)


def test_one_split_in_two_formats_is_not_guessed_at(write, tmp_path):
    write("train.csv", "text\na\n")
    write("train.jsonl", '{"text": "a"}\n')
    with pytest.raises(DataError, match=r"several formats: train\.csv, train\.jsonl"):
        sources.open_named(str(tmp_path), [])


def test_a_directory_whose_files_name_no_split_asks_for_one(write, tmp_path):
    write("a.csv", "text\na\n")
    write("b.csv", "text\na\n")
    with pytest.raises(DataError, match=r"name one of them in data\.train: a\.csv, b\.csv"):
        sources.open_named(str(tmp_path), [])


def test_what_is_not_there_is_told_at_once_with_the_nearest_name(write, tmp_path):
    write("reviews.csv", "text\na\n")
    with pytest.raises(DataError, match=r"review\.csv: no such file or directory \(did you mean 'reviews\.csv'\?\)"):
        sources.open_named("review.csv", [tmp_path])
    with pytest.raises(DataError, match=r"files of type \.xlsx are not read"):
        sources.open_named(str(write("a.xlsx", "x")), [])


def test_hostile_text_in_a_message_cannot_act_on_a_terminal(write):
    said = complaint(write("a.jsonl", '{"\\u001b]52;c;x\\u0007": 1}\n{"\\u001b]52;c;x\\u0007": "a"}\n'))
    assert "\x1b" not in said
    assert "\x07" not in said


def test_a_list_in_a_file_of_lines_leads_to_its_format_and_the_hint_works(write, load):
    write("t.jsonl", '[{"text": "a b", "label": "x"},\n{"text": "c d", "label": "y"}]\n')
    with pytest.raises(DataError, match=r'set data.format = "json"'):
        load("text-classification", train="t.jsonl", validation="t.jsonl")
    assert load("text-classification", train="t.jsonl", validation="t.jsonl", format="json").train.num_rows == 2
