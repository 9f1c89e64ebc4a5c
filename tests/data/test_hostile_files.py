"""Files that would hang, fill the memory or end the process are survived, and what is wrong is told with its place."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.core.errors import DataError
from workbench.data.browse import pager
from workbench.data.formats import by_name, columnar, raw
from workbench.data.tables import sources


def opened(path) -> pager.Pager:
    return pager.open_pager(sources.from_file(path).part("train"))


def complaint(path) -> str:
    with pytest.raises(DataError) as caught:
        sources.open_named(str(path), []).splits()
    return str(caught.value).replace(str(path.parent) + "/", "")


# -- what is no file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", by_name.SUFFIXES)
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    os.mkfifo(path)
    assert complaint(path).startswith(f"a{suffix}: a pipe where a file belongs")
    with pytest.raises(DataError, match="a pipe where a file belongs"):
        by_name.read_file(path)


def test_a_directory_given_as_a_file_is_read_as_one_or_said_to_be_empty(tmp_path):
    spark = tmp_path / "train.parquet"
    spark.mkdir()
    assert complaint(spark).startswith("train.parquet: holds no data file")
    for part in ("part-00000.parquet", "part-00001.parquet"):
        pq.write_table(pa.table({"text": [part]}), spark / part)
    assert sources.open_named(str(spark), []).splits() == {"train": 2}
    with pytest.raises(DataError, match="a directory where a file belongs"):
        by_name.read_file(spark)


def test_links_that_lead_nowhere_are_told(tmp_path):
    loop, gone = tmp_path / "loop.csv", tmp_path / "train.csv"
    loop.symlink_to(loop)
    gone.symlink_to("not-there.csv")
    assert complaint(loop) == f"loop.csv: a link that leads nowhere (to {loop.name})"
    assert complaint(gone) == "train.csv: a link that leads nowhere (to not-there.csv)"
    with pytest.raises(DataError, match=r"train\.csv: cannot be read \(No such file"):
        sources.open_named(str(tmp_path), []).splits()


def test_a_file_that_may_not_be_read_says_so(write, monkeypatch):
    path = write("a.jsonl", '{"text": "a"}\n')
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *args: forbidden() if self == path else real(self, *args))
    assert complaint(path) == "a.jsonl: cannot be read (Permission denied)"


def forbidden():
    raise PermissionError(13, "Permission denied")


# -- what changes meanwhile ------------------------------------------------------------------------------------------


def test_a_file_that_grows_while_it_is_read_is_not_read_in_half(write, monkeypatch):
    path = write("a.jsonl", '{"text": "a"}\n')
    real = raw.faults.lines

    def growing(data):
        with path.open("a") as file:
            file.write('{"text": "b"}\n')
        return real(data)

    monkeypatch.setattr(raw.faults, "lines", growing)
    assert "the file changed while it was read: wait until it is written" in complaint(path)


@pytest.mark.parametrize("suffix", ["jsonl", "txt"])
def test_pages_of_a_file_that_vanished_or_shrank_say_so(write, suffix):
    path = write(f"a.{suffix}", '{"text": "a"}\n' * 3)
    pages = opened(path)
    assert len(pages.page(0, 5)) == 3
    path.write_text('{"text": "a"}\n')
    with pytest.raises(DataError, match="the file changed while it was read"):
        pages.page(0, 5)
    path.unlink()
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        pages.page(0, 5)


# -- what is packed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz", "a.txt.gz", "a.conll.gz", "a.json.gz"])
def test_packed_texts_are_read_and_paged(write, name):
    content = {
        "a.jsonl.gz": '{"text": "a"}\n\n{"text": "b"}\n',
        "a.csv.gz": "text\na\nb\n",
        "a.txt.gz": "a\nb\n",
        "a.conll.gz": "a O\n\nb O\n",
        "a.json.gz": '[{"text": "a"}, {"text": "b"}]',
    }[name]
    path = write(name, gzip.compress(b"\xef\xbb\xbf" + content.encode()))
    rows = by_name.read_file(path).to_pylist()
    assert [row.get("text") or row["tokens"][0] for row in rows] == ["a", "b"]
    assert opened(path).page(0, 5) == rows


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz", "a.txt.gz", "a.json.gz", "a.conll.gz"])
def test_a_gzip_bomb_is_stopped_and_both_bounds_are_named(write, monkeypatch, name):
    monkeypatch.setattr(raw, "ROOM", 1 << 20)
    path = write(name, gzip.compress(b'"' + b"a" * (20 << 20)))
    said = complaint(path)
    assert said.startswith(f"{name}: unpacks to more than 3.")
    assert "at most 200 times its size (or 1 MiB) and 8 GiB are read" in said


def test_a_torn_or_false_gzip_file_is_told(write):
    packed = gzip.compress(b"text\na\n" * 1000)
    assert "cannot be read (Compressed file ended" in complaint(write("a.csv.gz", packed[:-10]))
    assert "cannot be read (Not a gzipped file" in complaint(write("b.csv.gz", b"text\na\n"))
    assert complaint(write("c.parquet.gz", packed)).startswith("c.parquet.gz: parquet is not read from .gz")


def test_a_value_packed_once_and_meant_a_million_times_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(columnar, "_ROOM", 8 << 20)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(["x" * 10_000]).take(pa.array([0] * 20_000))}), path)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(columnar, "batches_of", None)  # nothing is unpacked
    assert "unpacks to more than 8 MiB" in complaint(path)


# -- what is too deep, too long, too wide ----------------------------------------------------------------------------


def test_nesting_that_ends_a_process_is_told_with_its_line(write):
    """Arrow's own reader follows it without a bound and crashes, so another process tries."""
    deep = '{"text": "a"}\n{"a": "]]]]]]", "b": ' + "[" * 200_000 + "]" * 200_000 + "}\n"
    path = write("a.jsonl", deep)
    program = "import sys; from pathlib import Path; from workbench.data.formats.by_name import read_file; "
    program += f"read_file(Path({str(path)!r}))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "a.jsonl:2: lists and objects are nested more than 100 deep" in ended.stderr
    assert "nested more than 100 deep" in complaint(write("a.json", "[" * 200_000 + "]" * 200_000))
    assert opened(path).page(0, 2)[1][pager.BROKEN].startswith("lists and objects are nested")


def test_brackets_within_strings_are_no_nesting(write, rows):
    text = "[{" * 5000
    assert rows(write("a.jsonl", json.dumps({"text": text}) + "\n")) == [{"text": text}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.txt", "a.json"])
def test_a_text_of_ten_megabytes_is_a_row_like_any_other(write, name):
    long = "ten million " * 900_000
    content = {
        "a.jsonl": '{"text": "a"}\n' * 5 + json.dumps({"text": long}) + '\n{"text": "b"}\n',
        "a.csv": "text\n" + "a\n" * 5 + f'"{long}"\nb\n',
        "a.tsv": "text\n" + "a\n" * 5 + f"{long}\nb\n",
        "a.txt": "a\n" * 5 + f"{long}\nb\n",
        "a.json": json.dumps([{"text": "a"}] * 5 + [{"text": long}, {"text": "b"}]),
    }[name]
    path = write(name, content)
    for texts in ([row["text"] for row in opened(path).page(0, 9)], by_name.read_file(path).column("text").to_pylist()):
        assert [len(text) for text in texts] == [1, 1, 1, 1, 1, len(long), 1]


def test_an_open_quote_at_the_beginning_of_a_long_file_is_told_without_holding_it(write):
    path = write("a.csv", 'text,label\n"never closed,1\n' + "some more text that follows,1\n" * 700_000)
    said = "a.csv:2: a field of more than 16,777,216 characters begins here"
    assert complaint(path).startswith(said)
    with pytest.raises(DataError, match="a field of more than 16,777,216 characters"):
        opened(path).page(0, 5)


def test_ten_thousand_columns_are_read(write):
    names = [f"a_column_with_a_rather_long_name_{number}" for number in range(10_000)]
    path = write("a.csv", "\n".join([",".join(names), ",".join("1" for _ in names), ",".join("x" for _ in names)]))
    table = by_name.read_file(path)
    assert (table.num_rows, table.column_names) == (2, names)
    assert set(table.to_pylist()[1].values()) == {"x"}


# -- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-le"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.txt", "a.json", "a.conll"])
def test_wide_characters_are_recognised_with_and_without_a_mark(write, name, encoding):
    said = complaint(write(name, '{"text": "some text"}\n'.encode(encoding)))
    assert said.startswith(f"{name}: the file is UTF-")
    assert "iconv -f UTF-" in said


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.txt", "a.json", "a.conll"])
def test_a_surrogate_written_as_bytes_is_told_as_what_it_is(write, name):
    content = {"a.jsonl": b'{"a": "b"}\n{"a": "%s"}\n', "a.json": b'[\n"%s"]', "a.conll": b"a O\n%s O\n"}
    data = content.get(name, b"text\n%s\n") % b"\xed\xa0\xbd\xed\xb8\x80"
    assert complaint(write(name, data)).startswith(f"{name}:2: bytes ed a0 bd are half a surrogate pair, not UTF-8")


def test_a_fault_far_down_is_told_with_its_line(write):
    path = write("a.jsonl", b'{"text": "some text to fill blocks with"}\n' * 300_000 + b'{"text": "caf\xe9"}\n')
    assert complaint(path).startswith("a.jsonl:300001: byte 0xe9 is not UTF-8")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.txt"])
def test_lines_end_as_they_end(write, name, end):
    lines = {"a.jsonl": ['{"text": "a"}', '{"text": "b"}'], "a.txt": ["a", "b"]}.get(name, ["text", "a", "b"])
    path = write(name, end.join(lines))
    assert by_name.read_file(path).to_pylist() == opened(path).page(0, 5) == [{"text": "a"}, {"text": "b"}]


@pytest.mark.parametrize("suffix", by_name.SUFFIXES)
@pytest.mark.parametrize("content", ["", "\n\n\n", " \r\n\t\r\n", "\ufeff", "\ufeff\n"])
def test_a_file_of_nothing_is_said_to_be_empty(write, suffix, content):
    if suffix in (".parquet", ".arrow") and content:
        assert "cannot be read as" in complaint(write(f"a{suffix}", content))
    else:
        assert "the file is empty" in complaint(write(f"a{suffix}", content))


def test_zero_bytes_are_characters_where_a_format_allows_them(write, rows):
    assert rows(write("a.csv", "text\na\0b\n")) == [{"text": "a\0b"}]
    assert rows(write("a.txt", "a\0b\n")) == [{"text": "a\0b"}]
    assert rows(write("a.jsonl", '{"text": "a\\u0000b"}\n')) == [{"text": "a\0b"}]
    assert complaint(write("b.jsonl", '{"text": "a"}\n{"text": "a\0b"}\n')).startswith("b.jsonl:2: not JSON")


def test_strings_of_a_columnar_file_that_are_no_utf_8_are_told(tmp_path):
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    pq.write_table(pa.table({"text": bad}), tmp_path / "a.parquet")
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), pa.schema({"text": pa.string()})) as file:
        file.write_table(pa.table({"text": bad}))
    for kind in ("parquet", "arrow"):
        said = complaint(tmp_path / f"a.{kind}")
        assert said.startswith(f"a.{kind}: cannot be read as {kind}")
        assert "Invalid UTF8" in said
