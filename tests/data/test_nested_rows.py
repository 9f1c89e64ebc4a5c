"""Lists and objects within rows come through every reader and its pages as they were written, or are told."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.core.errors import DataError
from workbench.data.browse import pager
from workbench.data.formats import by_name
from workbench.data.tables import sources

ROWS = [
    {
        "tokens": ["EU", "rejects", "2020-01-01"],
        "answers": {"text": ["a", "b"], "answer_start": [0, 7]},
        "messages": [{"role": "user", "content": "hi\n\U0001f600"}, {"role": "assistant", "content": ""}],
        "scores": [0.5, 1.0],
    },
    {"tokens": [], "answers": {"text": [], "answer_start": []}, "messages": [], "scores": []},
    {"tokens": None, "answers": None, "messages": None, "scores": None},
] * 400

PAD = {"pad": "x" * 2000}  # 2,500 of these are more than a block


def lines(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(params=["jsonl", "json", "parquet", "arrow"])
def file(request, tmp_path):
    """The rows in each format that can hold them."""
    path = tmp_path / f"a.{request.param}"
    table = pa.Table.from_pylist(ROWS)
    if request.param == "parquet":
        pq.write_table(table, path, row_group_size=500)
    elif request.param == "arrow":
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    else:
        path.write_text(json.dumps(ROWS) if request.param == "json" else lines(ROWS))
    return path


def test_lists_and_objects_are_read_and_paged_as_they_were_written(file):
    assert by_name.read_file(file).to_pylist() == ROWS
    pages = pager.open_pager(sources.from_file(file).part("train"))
    assert pages.page(0, 3) == ROWS[:3]
    assert pages.page(490, 20) == ROWS[490:510]
    assert pages.count() == len(ROWS)


def test_a_search_looks_into_lists_and_objects(file):
    pages = pager.open_pager(sources.from_file(file).part("train"))
    assert [at for at, _ in pages.search(0, 2, "REJECTS")] == [0, 3]
    assert [at for at, _ in pages.search(0, 2, "\U0001f600")] == [0, 3]
    assert [at for at, _ in pages.search(0, 2, column="tokens", value="EU")] == [0, 3]
    assert [at for at, _ in pages.search(0, 2, column="scores", value="0.5")] == [0, 3]
    assert pages.search(0, 2, column="answers", value="a") == []


@pytest.mark.parametrize(
    ("early", "late", "said"),
    [
        ({"n": 1}, {"n": "1"}, "'n' holds a string, '1', where the rows before hold a number"),
        ({"n": 1}, {"n": True}, "'n' holds true or false, 'True', where the rows before hold a number"),
        ({"n": "a"}, {"n": ["a"]}, "'n' holds a list, '['a']', where the rows before hold a string"),
        ({"n": [1]}, {"n": ["a"]}, "'n[]' holds a string, 'a', where the rows before hold a number"),
        ({"n": {"a": [1]}}, {"n": {"a": 1}}, "'n.a' holds a number, '1', where the rows before hold a list"),
        ({"n": [{"r": "x"}]}, {"n": [{"r": 1}]}, "'n[].r' holds a number, '1', where the rows before hold a string"),
        ({"n": 1}, ["n"], "holds a list where an object belongs"),
        ({"n": 1}, {"n": 2**64}, "'n' holds a whole number beyond 64 bits: write it as a string"),
        ({"n": "a"}, {"n": "\ud800"}, "n holds half a surrogate pair"),
        ({"n": ["a"]}, {"n": ["\udfff"]}, "n holds half a surrogate pair"),
        ({"n": {"a": 1}}, {"n": {"\ud800": 1}}, "n holds half a surrogate pair"),
    ],
)
@pytest.mark.parametrize("rows", [1, 2500], ids=["soon", "late"])
def test_a_type_that_changes_is_told_with_its_line_however_late(write, early, late, said, rows):
    path = write("a.jsonl", lines([early | PAD]) * rows + lines([late]))
    with pytest.raises(DataError) as caught:
        by_name.read_file(path)
    assert f"a.jsonl:{rows + 1}: {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("early", "late", "found"),
    [
        ({"n": 1}, {"n": 2.5}, ({"n": 1.0}, {"n": 2.5})),
        ({"n": [1]}, {"n": [2.5, None]}, ({"n": [1.0]}, {"n": [2.5, None]})),
        ({"n": None}, {"n": ["a"]}, ({"n": None}, {"n": ["a"]})),
        ({"n": None}, {"n": {"a": 1}}, ({"n": None}, {"n": {"a": 1}})),
        ({"n": []}, {"n": [{"a": 1}]}, ({"n": []}, {"n": [{"a": 1}]})),
        ({"n": {"a": 1}}, {"n": {"b": "x"}}, ({"n": {"a": 1, "b": None}}, {"n": {"a": None, "b": "x"}})),
        ({"n": 1}, {"m": 2}, ({"n": 1, "m": None}, {"n": None, "m": 2})),
        ({"n": "2020-01-01"}, {"n": "text"}, ({"n": "2020-01-01"}, {"n": "text"})),
        ({"n": ["2020-01-01"]}, {"n": ["text"]}, ({"n": ["2020-01-01"]}, {"n": ["text"]})),
    ],
)
@pytest.mark.parametrize("rows", [1, 2500], ids=["soon", "late"])
def test_what_can_be_held_together_without_loss_is(write, early, late, found, rows):
    table = by_name.read_file(write("a.jsonl", lines([early | PAD]) * rows + lines([late]))).drop_columns("pad")
    assert table.num_rows == rows + 1
    assert (table.slice(0, 1).to_pylist()[0], table.slice(rows).to_pylist()[0]) == found


def test_two_objects_on_a_line_are_no_two_rows(write):
    with pytest.raises(DataError, match=r"a\.jsonl:2: not JSON: Extra data"):
        by_name.read_file(write("a.jsonl", '{"a": 1}\n{"a": 2} {"a": 3}\n'))


@pytest.mark.parametrize("content", ['{"a": 1}\nnull\n', 'null\n{"a": 1}\n', '{"a": 1} null\n', "\n null {}\n"])
def test_a_row_that_is_null_is_told_though_arrow_would_end_the_process(write, content):
    with pytest.raises(DataError, match=r"a\.jsonl:[12]: (holds nothing where an object belongs|not JSON: Extra data)"):
        by_name.read_file(write("a.jsonl", content))
