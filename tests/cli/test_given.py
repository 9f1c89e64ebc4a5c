"""What `predict` is asked is found in arguments, lines, objects and the files one trains on."""

from __future__ import annotations

import gzip
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.cli import given
from workbench.core.errors import BadInput

REVIEWS = given.names_of("text-classification", {"text": "Kommentar"})


def asked(path, *, fields=("text",), names=REVIEWS):
    return [row.fields for row in given.complete(given.read(None, path), fields, None, names)]


def test_a_data_file_is_read_as_rows_under_the_names_of_the_recipe_or_the_usual_ones(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("id,Kommentar,review\n1,gut,other\n2,schlecht,other\n")
    assert asked(path) == [{"text": "gut"}, {"text": "schlecht"}]
    path.write_text("id,Review Text\n1,fine\n")
    assert asked(path) == [{"text": "fine"}]
    path = tmp_path / "test.jsonl"
    path.write_text('{"translation": {"en": "a", "de": "b"}}\n')
    names = given.names_of("seq2seq", {"text": "translation.en"})
    assert asked(path, names=names) == [{"text": "a"}]


def test_a_row_that_lacks_a_field_is_told_with_its_place_and_what_it_has(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine"}\n\n{"txt": "fine", "n": 1}\n')
    with pytest.raises(BadInput, match=r"there is no text among txt, n") as caught:
        asked(path)
    assert caught.value.where == f"{path}:3"
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match=r"there is no text among a, b") as caught:
        asked(path)
    assert caught.value.where == f"{path}, row 1"


def test_empty_texts_are_passed_over_and_that_is_said(tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_text("one\n\n \ntwo\n")
    assert [row["text"] for row in asked(path)] == ["one", "two"]
    assert "2 empty texts are passed over" in capsys.readouterr().err
    path.write_text("one\ntwo\n")
    asked(path)
    assert capsys.readouterr().err == ""


def test_a_file_that_is_not_there_or_holds_no_rows_is_told(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        asked(tmp_path / "none.csv")
    (tmp_path / "head.csv").write_text("text,label\n")
    with pytest.raises(BadInput, match="there is no row to predict on"):
        asked(tmp_path / "head.csv")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.tsv", "rows.txt", "rows.parquet", "rows.txt.gz"])
def test_rows_of_any_file_are_read_as_they_are_asked_for(tmp_path, name):
    """By the time the first rows are there, most of the file has not been read."""
    several, path = 300_000, tmp_path / name
    texts = [f"text {number}" for number in range(several)]
    kind = name.split(".")[1]
    if kind == "parquet":
        pq.write_table(pa.table({"text": texts}), path, row_group_size=10_000)
    else:
        line = {"jsonl": '{{"text": "{}"}}\n', "csv": "{},1\n", "tsv": "{}\t1\n", "txt": "{}\n"}[kind]
        head = {"csv": "text,n\n", "tsv": "text\tn\n"}.get(kind, "")
        data = (head + "".join(map(line.format, texts))).encode()
        path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
    rows = given.complete(given.read(None, path), ("text",), None, REVIEWS)
    tracemalloc.start()
    assert [next(rows).fields["text"] for _ in range(1000)] == texts[:1000]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20  # a block of rows; all of them as objects take 100 MB
    assert sum(1 for _ in rows) == several - 1000
