"""Whatever bytes a file holds, reading it ends in rows or in one sentence that names the file; so does paging it."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.core.errors import DataError
from workbench.data.browse import pager
from workbench.data.tables import sources

TABLE = pa.table({"text": ["good", 'bad "x"', "é\n"], "label": [1, 0, None], "tags": [["a"], [], None]})


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink)
    return sink.getvalue()


def arrow(writer: Callable[..., pa.ipc.RecordBatchStreamWriter]) -> bytes:
    sink = pa.BufferOutputStream()
    with writer(sink, TABLE.schema) as file:
        file.write_table(TABLE)
    return bytes(sink.getvalue())


SQUAD = {"data": [{"paragraphs": [{"context": "a", "qas": [{"id": "1", "question": "q", "answers": []}]}]}]}
WHOLE = {
    ".csv": b'text,label\n"a ""b""\nc",1\nd,2\n',
    ".tsv": b'text\tlabel\n"a\t1\nb\t2\n',
    ".jsonl": b'{"text": "a", "label": 1, "tags": ["x", null]}\n{"text": "2020-01-01", "m": {"d": [1.5]}}\n',
    ".json": json.dumps(SQUAD).encode(),
    ".txt": b"a\nb\r\nc",
    ".conll": "-DOCSTART- O\n\n科0 B-ORG\n技1 O\n\n# c\n中0 O\n".encode(),
    ".parquet": parquet(),
    ".arrow": arrow(pa.ipc.new_stream),
    ".csv.gz": gzip.compress(b"text,label\na,1\n"),
}
PIECES = [b'"', b"\n", b"\r", b"\0", b"\t", b",", b"{", b"}", b"[", b"]", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf"]
PIECES += [
    b"\\ud800",
    b"#",
    b" ",
    b"null",
    b"1e999",
    b"9" * 30,
    b"NaN",
    b"\\",
    b"-DOCSTART-",
    b"\xe2\x80\xa8",
    b"[" * 300,
]
harm = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(PIECES) | st.binary(max_size=8), st.integers(0, 30)), max_size=6
)


def harmed(data: bytes, harms: list[tuple[float, bytes, int]]) -> bytes:
    """The bytes with pieces put in, and some lost, at places given as shares of the whole."""
    for share, piece, lost in harms:
        at = round(share * len(data))
        data = data[:at] + piece + data[at + lost :]
    return data


@pytest.mark.parametrize("suffix", WHOLE)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_harmed_files_end_in_rows_or_in_a_sentence(write, suffix, data):
    content = data.draw(st.binary(max_size=60) | harm.map(lambda harms: harmed(WHOLE[suffix], harms)))
    path = write(f"junk{suffix}", content)
    rows = told(path, read)
    paged = told(path, page)
    if isinstance(rows, int) and isinstance(paged, int):
        assert rows == paged


def told(path: Path, look: Callable[[Path], int]) -> int | str:
    """How many rows there are, or the sentence, which names the file."""
    try:
        return look(path)
    except DataError as error:
        said = str(error)
    assert "junk" in said
    return said


def read(path: Path) -> int:
    parts = sources.from_file(path).parts.values()
    for part in parts:
        part.table().to_pylist()
        assert part.place(0)
    return sum(part.table().num_rows for part in parts)


def page(path: Path) -> int:
    found = 0
    for part in sources.from_file(path).parts.values():
        pages = pager.open_pager(part)
        json.dumps(pages.page(0, 10), default=str, ensure_ascii=False).encode()
        pages.search(0, 3, "a", column="tags", value="x")
        found += pages.count()
    return found
