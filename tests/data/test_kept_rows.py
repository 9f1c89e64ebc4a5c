"""A large file is parsed once: then its rows are mapped, and are what they were."""

from __future__ import annotations

import json
import os

import numpy as np
import pyarrow as pa
import pytest

from workbench.core.errors import DataError
from workbench.data.cache import kept_tables
from workbench.data.cache.token_cache import TokenCache
from workbench.data.report import row_report
from workbench.data.tables import columns
from workbench.data.tables import splits as data
from workbench.tasks.loading import splits_for


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr(kept_tables, "_LARGE", 0)
    monkeypatch.setattr(data, "_WORTH", 0)


@pytest.fixture
def cache(tmp_path):
    return TokenCache(tmp_path / "cache" / "tokens", limit=1 << 30)


ROWS = [{"text": f"row {row} é\n", "label": "ab"[row % 2], "n": row, "more": {"of": [row]}} for row in range(300)]
FILES = {
    "rows.csv": "text,label\n" + "".join(f'"row {row}, of",{"ab"[row % 2]}\n' for row in range(300)),
    "rows.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "rows.txt": "".join(f"line {row}\n" for row in range(300)),
}


@pytest.mark.parametrize("name", FILES)
def test_rows_that_are_mapped_are_those_that_were_read(tmp_path, cache, name, monkeypatch):
    path = tmp_path / name
    path.write_text(FILES[name])
    wanted = parsed(name)
    plain = splits_for(wanted, [tmp_path])
    first = splits_for(wanted, [tmp_path], cache)
    monkeypatch.setattr(kept_tables, "_written", None)  # it is not read again
    again = splits_for(wanted, [tmp_path], cache)
    for split, table in plain.tables().items():
        for other in (first, again):
            assert other.tables()[split].equals(table, check_metadata=True)
    assert plain.notes == first.notes == again.notes
    assert again.place("train", 7) == plain.place("train", 7)


def parsed(name, *overrides):
    from workbench.tasks import recipe_union as recipe

    task = "causal-lm" if name.endswith(".txt") else "text-classification"
    model = (
        '[model]\nname = "builtin:minilm"\n'
        if task != "causal-lm"
        else '[model]\narchitecture = "gpt2"\ntokenizer = "bpe"\n'
    )
    return recipe.parse(f'name = "x"\ntask = "{task}"\n{model}[data]\nsource = "{name}"\n', overrides=list(overrides))


def test_a_file_that_changed_is_read_again_though_size_and_time_are_the_same(tmp_path, cache):
    path = tmp_path / "rows.csv"
    path.write_text(FILES["rows.csv"])
    splits_for(parsed("rows.csv"), [tmp_path], cache)
    before = path.stat()
    path.write_text(FILES["rows.csv"].replace("row 0,", "ROW 0,"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    loaded = splits_for(parsed("rows.csv"), [tmp_path], cache)
    texts = [text for split in loaded.tables() for text in loaded.texts(split, "text").to_pylist()]
    assert "ROW 0, of" in texts
    assert "row 0, of" not in texts


def test_a_file_that_cannot_be_read_is_told_as_ever_and_leaves_nothing(tmp_path, cache):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\na,b\nragged\n")
    with pytest.raises(DataError, match=r"rows\.csv:3"):
        splits_for(parsed("rows.csv"), [tmp_path], cache)
    path.unlink()
    with pytest.raises(DataError, match="no such file"):
        splits_for(parsed("rows.csv"), [tmp_path], cache)
    assert cache.kept() == []


def test_the_report_is_made_once_and_anew_where_a_label_changed(tmp_path, cache, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_text(FILES["rows.csv"])
    wanted = parsed("rows.csv")
    plain = row_report.whole(splits_for(wanted, [tmp_path]), wanted.data)
    assert row_report.whole(splits_for(wanted, [tmp_path], cache), wanted.data) == plain
    made = row_report._made
    monkeypatch.setattr(row_report, "_made", None)
    assert row_report.whole(splits_for(wanted, [tmp_path], cache), wanted.data) == plain
    monkeypatch.setattr(row_report, "_made", made)
    path.write_text(FILES["rows.csv"].replace('1, of",b', '1, of",a'))
    assert row_report.whole(splits_for(wanted, [tmp_path], cache), wanted.data) != plain


def test_rows_that_are_moved_dropped_and_held_out_are_mapped_too(tmp_path, cache, monkeypatch):
    rows = [row | ({"text": " "} if row["n"] % 7 == 0 else {}) for row in ROWS]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    overrides = ["data.shuffle_seed=3", "data.train=train[:90%]", "data.subset.rows=100", "data.holdout=0.25"]
    plain = splits_for(parsed("rows.jsonl", *overrides), [tmp_path])
    monkeypatch.setattr(kept_tables, "_HELD", 0)
    monkeypatch.setattr(kept_tables, "_ROWS", 32)
    picked = []
    unnamed = kept_tables._unnamed
    monkeypatch.setattr(kept_tables, "_unnamed", lambda *given: picked.append(1) or unnamed(*given))
    for where in (cache, TokenCache(tmp_path / "none", limit=0), None):
        mapped = splits_for(parsed("rows.jsonl", *overrides), [tmp_path], where)
        for split, table in plain.tables().items():
            assert mapped.tables()[split].equals(table, check_metadata=True)
        assert mapped.notes == plain.notes
    assert len(picked) == 15
    assert [path for path in cache.root.iterdir() if path.is_file() and not path.name.startswith(".lock")] == []


def test_values_are_picked_wherever_their_chunks_lie():
    column = pa.chunked_array([[["a"], None], [], [["b", "c"], ["d"], []]])
    for places in ([4, 0, 2, 2, 1], [3], [], [0, 1, 2, 3, 4]):
        taken = columns.picked(column, np.array(places, np.int64))
        assert taken.to_pylist() == column.take(pa.array(places, pa.int64())).to_pylist()
    assert columns.picked(pa.chunked_array([], pa.string()), np.zeros(0, np.int64)).to_pylist() == []
