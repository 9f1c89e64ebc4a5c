"""Every format a recipe may name gives the rows that were written."""

from __future__ import annotations

import csv
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.core.errors import DataError
from workbench.data.formats import by_name
from workbench.data.formats.text_lines import are_lines
from workbench.data.tables import sources

ROWS = [
    {"text": "good", "label": 1},
    {"text": "bad, really", "label": 0},
    {"text": 'she said "no"\nand left', "label": 0},
]


def test_csv_keeps_quotes_commas_and_line_feeds_within_fields(write, rows):
    path = write("a.csv", 'text,label\ngood,1\n"bad, really",0\n"she said ""no""\nand left",0\n')
    assert rows(path) == ROWS


def test_csv_from_a_spreadsheet_with_bom_crlf_and_semicolons_reads_the_same(write, rows):
    path = write("a.csv", b'\xef\xbb\xbftext;label\r\ngood;1\r\n"bad, really";0\r\n')
    assert rows(path) == ROWS[:2]


def test_a_csv_column_is_numbers_only_if_all_of_it_is(write):
    path = write("a.csv", "id,when,price,n\n007,2020-01-01,1.50,3\n008,2020-01-02,2.00,\n009,2020-01-03,2.5,-4\n")
    table = by_name.read_file(path)
    assert table.to_pylist()[0] == {"id": "007", "when": "2020-01-01", "price": "1.50", "n": 3}
    assert table.column("n").to_pylist() == [3, None, -4]


def test_a_csv_column_that_turns_to_words_late_is_words_throughout(write):
    path = write("a.csv", "text,label\n" + "x,1\n" * 5000 + "y,none of these\n")
    assert set(by_name.read_file(path).column("label").to_pylist()) == {"1", "none of these"}


def test_tsv_texts_may_hold_stray_quotes(write, rows):
    path = write("a.tsv", 'label\ttext\n1\t"真好" 我喜欢\n0\t他说"不好\n1\t"\n')
    assert [row["text"] for row in rows(path)] == ['"真好" 我喜欢', '他说"不好', '"']


def test_tsv_that_was_written_with_quoting_is_unquoted(write, rows):
    path = write("a.tsv", 'label\ttext\n1\t"she said ""no"""\n0\tplain\n')
    assert [row["text"] for row in rows(path)] == ['she said "no"', "plain"]


def test_tsv_with_quoted_tabs_and_line_feeds_is_unquoted(write, rows):
    path = write("a.tsv", 'label\ttext\n1\t"one\ttwo"\n0\t"first\nsecond"\n')
    assert [row["text"] for row in rows(path)] == ["one\ttwo", "first\nsecond"]


def test_jsonl_passes_over_blank_lines_and_leaves_dates_as_written(write, rows):
    path = write("a.jsonl", '{"text": "2020-01-01", "label": "a"}\r\n\r\n{"text": "2021-01-01", "label": null}\r\n')
    assert rows(path) == [{"text": "2020-01-01", "label": "a"}, {"text": "2021-01-01", "label": None}]


def test_jsonl_keys_that_are_missing_are_null(write, rows):
    path = write("a.jsonl", '{"text": "a"}\n{"text": "b", "label": 1}\n')
    assert rows(path) == [{"text": "a", "label": None}, {"text": "b", "label": 1}]


def test_jsonl_rows_may_be_longer_than_a_block(write, rows):
    long = "x" * 9_000_000
    path = write("a.jsonl", json.dumps({"text": long}) + "\n" + json.dumps({"text": "y"}) + "\n")
    assert [len(row["text"]) for row in rows(path)] == [9_000_000, 1]


@pytest.mark.parametrize(
    "document",
    [
        json.dumps(ROWS),
        json.dumps({"data": ROWS, "version": "1"}),
        json.dumps({"text": [row["text"] for row in ROWS], "label": [row["label"] for row in ROWS]}),
        "\n".join(json.dumps(row) for row in ROWS),
    ],
)
def test_json_may_be_a_list_a_wrapped_list_columns_or_lines(write, rows, document):
    assert rows(write("a.json", document)) == ROWS


def test_json_may_name_its_splits(write):
    source = sources.open_named(str(write("a.json", json.dumps({"train": ROWS, "dev": ROWS[:1]}))), [])
    assert source.splits() == {"train": 3, "dev": 1}


def test_parquet_loses_the_index_pandas_adds(tmp_path, rows):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([row | {"__index_level_0__": 7} for row in ROWS]), path)
    assert rows(path) == ROWS


@pytest.mark.parametrize("writer", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_is_read_in_both_its_formats(tmp_path, rows, writer):
    table, path = pa.Table.from_pylist(ROWS), tmp_path / "a.arrow"
    with writer(str(path), table.schema) as file:
        file.write_table(table)
    assert rows(path) == ROWS


def test_text_is_one_row_a_line_and_can_be_put_together_again(write):
    text = "First Citizen:\nSpeak, speak.\n\n\nAll:\n  We know't.\n"
    table = by_name.read_file(write("a.txt", text.replace("\n", "\r\n")))
    assert "\n".join(table.column("text").to_pylist()) + "\n" == text
    assert are_lines(table)


def test_a_directory_is_its_files_by_name_and_joins_shards(write, tmp_path):
    write("data/train-00000-of-00002.jsonl", '{"text": "a", "label": 1}\n')
    write("data/train-00001-of-00002.jsonl", '{"text": "b", "label": 2.5}\n')
    write("data/dev.jsonl", '{"text": "c", "label": 1}\n')
    write("README.txt", "not data")
    source = sources.open_named("data", [tmp_path])
    assert source.splits() == {"train": 2, "validation": 1}
    assert source.table("train").column("text").to_pylist() == ["a", "b"]
    assert source.table("val").num_rows == source.table("dev").num_rows == 1


def test_files_may_lie_in_directories_named_by_the_split(write, tmp_path):
    write("train/one.csv", "text,label\na,1\n")
    write("train/two.csv", "text,label\nb,0\n")
    write("test/one.csv", "text,label\nc,0\n")
    assert sources.open_named(str(tmp_path), []).splits() == {"train": 2, "test": 1}


def test_a_directory_with_a_single_file_is_all_train(write, tmp_path):
    write("only/reviews.csv", "text,label\na,1\n")
    assert sources.open_named("only", [tmp_path]).splits() == {"train": 1}


def test_a_row_is_led_back_to_its_line_in_its_shard(write, tmp_path):
    write("train-0.jsonl", '{"text": "a"}\n\n{"text": "b"}\n')
    write("train-1.jsonl", '\n{"text": "c"}\n')
    source = sources.open_named(str(tmp_path), [])
    assert source.place("train", 1) == f"{tmp_path / 'train-0.jsonl'}:3"
    assert source.place("train", 2) == f"{tmp_path / 'train-1.jsonl'}:2"


fields = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r"), max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(fields, fields), min_size=1, max_size=8))
def test_whatever_a_csv_writer_quotes_is_read_back(tmp_path, pairs):
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("text", "other"), *pairs])
    table = by_name.read_file(path)
    found = [(str(row["text"] or ""), str("" if row["other"] is None else row["other"])) for row in table.to_pylist()]
    assert [other for _, other in found] == [other for _, other in pairs]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from("abc"), fields, min_size=1), min_size=1, max_size=8))
def test_whatever_json_writes_is_read_back(tmp_path, written):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in written), "utf-8")
    found = by_name.read_file(path).to_pylist()
    assert [{key: value for key, value in row.items() if value is not None} for row in found] == written


@pytest.mark.parametrize("suffix", by_name.SUFFIXES)
def test_bytes_of_any_kind_end_in_rows_or_in_a_data_error_that_names_the_file(write, suffix):
    outcomes = [read_or_complain(write(f"junk{suffix}", junk(number))) for number in range(200)]
    assert all("junk" in outcome for outcome in outcomes if isinstance(outcome, str))


def junk(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def read_or_complain(path):
    try:
        return by_name.read_file(path)
    except DataError as error:
        return str(error)
