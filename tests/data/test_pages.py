"""Pages of a file of any size, the same rows as reading it whole, and no more of it read than is looked at."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.core.errors import DataError
from workbench.data.browse import pager
from workbench.data.browse.pager import BROKEN
from workbench.data.tables import sources

ROWS = [{"text": f'row {i}, "quoted"\nnext é 好', "label": ["neg", "pos"][i % 2]} for i in range(20_000)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pages")
    (directory / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for name, delimiter in (("a.csv", ","), ("a.tsv", "\t")):
        with (directory / name).open("w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([("text", "label"), *(row.values() for row in ROWS)])
    pq.write_table(pa.Table.from_pylist(ROWS), directory / "a.parquet", row_group_size=7000)
    (directory / "a.json").write_text(json.dumps(ROWS))
    return directory


def opened(path) -> pager.Pager:
    return pager.open_pager(sources.from_file(path).part("train"))


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet", "json"])
def test_any_page_is_the_rows_that_reading_it_whole_gives(files, suffix):
    pages = opened(files / f"a.{suffix}")
    for offset, limit in ((0, 10), (6_995, 10), (19_990, 50), (12_345, 3), (30_000, 5)):
        assert pages.page(offset, limit) == ROWS[offset : offset + limit]
    assert pages.count() == pages.total == len(ROWS)


def test_the_first_page_reads_the_beginning_only(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS) * 3)
    pages = opened(path)
    pages.page(0, 50)
    assert pages.total is None
    assert 50 <= pages.known < 20_000
    assert pages.count() == 60_000


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_search_finds_what_holds_the_words_and_has_the_label(files, suffix):
    pages = opened(files / f"a.{suffix}")
    expected = [(i, row) for i, row in enumerate(ROWS) if "ROW 19".lower() in row["text"] and row["label"] == "pos"]
    assert pages.search(0, 5, "ROW 19", column="label", value="pos") == expected[:5]
    assert pages.search(7, 5000, "ROW 19", column="label", value="pos") == expected[7:]
    assert pages.found("ROW 19", column="label", value="pos") == (len(expected), True)
    assert pages.search(0, 5, "nowhere at all") == []
    assert pages.search(0, 2, column="label", value="neg") == [(0, ROWS[0]), (2, ROWS[2])]
    assert pages.search(0, 2, column="labels", value="neg") == []


def test_lines_of_text_are_pages_too(write):
    path = write("a.txt", "".join(f"line {i}\n" for i in range(300_000)) + "last, unended")
    pages = opened(path)
    assert pages.page(299_999, 5) == [{"text": "line 299999"}, {"text": "last, unended"}]
    assert pages.count() == 300_001


def test_a_broken_line_stands_in_its_place_and_hides_no_other(write):
    path = write("a.jsonl", '{"text": "a", "n": 1}\nbroken\n{"text": "b", "n": "x"}\n[1]\n\n{"text": "\\ud800"}\n')
    rows = opened(path).page(0, 10)
    assert [row["text"] for row in rows] == ["a", None, "b", None, "?"]
    assert rows[1][BROKEN].startswith("not JSON")
    assert rows[3][BROKEN] == "not an object"
    assert [row["n"] for row in rows[:3]] == ["1", None, "x"]


def test_bytes_that_are_not_utf_8_are_shown_where_they_are(write):
    rows = opened(write("a.jsonl", '{"text": "a"}\n{"text": "café"}\n'.encode("latin-1"))).page(0, 5)
    assert rows[0]["text"] == "a"
    assert "0xe9" in rows[1][BROKEN]
    assert opened(write("a.txt", b"caf\xe9\n")).page(0, 1) == [{"text": "caf�"}]


def test_a_ragged_row_is_named_when_its_page_is_reached(write):
    path = write("a.csv", "text,label\n" + "x,1\n" * 600_000 + "y\n")
    pages = opened(path)
    assert len(pages.page(0, 50)) == 50
    with pytest.raises(DataError, match=r"a\.csv:600002: row 600001 has 1 fields"):
        pages.count()


def test_shards_follow_each_other(write, tmp_path):
    write("train-0.jsonl", '{"text": "a"}\n')
    write("train-1.jsonl", '{"text": "b"}\n{"text": "c"}\n')
    part = sources.open_named(str(tmp_path), []).part("train")
    assert [row["text"] for row in pager.open_pager(part).page(0, 9)] == ["a", "b", "c"]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "txt"])
def test_a_byte_order_mark_is_no_part_of_the_first_row(write, suffix):
    rows = {"jsonl": '{"text": "a"}\n', "csv": "text\na\n", "tsv": "text\na\n", "txt": "a\n"}[suffix]
    assert opened(write(f"a.{suffix}", b"\xef\xbb\xbf" + rows.encode())).page(0, 5) == [{"text": "a"}]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_cannot_be_paged_says_why(write, suffix):
    with pytest.raises(DataError, match=rf"a\.{suffix}"):
        opened(write(f"a.{suffix}", b"\xff\xfe\x00\n\x01")).page(0, 1)
