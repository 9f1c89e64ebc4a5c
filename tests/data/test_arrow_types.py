"""Parquet and Arrow files hold texts and lists in more types than one: all are read as what they say."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.data.browse import pager
from workbench.data.tables import labels, sources
from workbench.tasks.text_classification.spec import TextClassificationData as Data

TEXTS = ["the kettle was lovely", None, "the novel was dull", "the lamp was warm"]
LABELS = ["good", "bad", "bad", "good"]


def views(values: list) -> pa.Array:
    return pa.array(values, pa.string_view())


def categories(values: list) -> pa.Array:
    return pa.array(values).dictionary_encode()


def large(values: list) -> pa.Array:
    return pa.array(values, pa.large_string())


@pytest.mark.parametrize("texts", [views, categories, large])
@pytest.mark.parametrize("names", [views, categories, large])
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_texts_and_labels_of_every_type_of_string_are_recognised(tmp_path, load, texts, names, suffix):
    save(pa.table({"text": texts(TEXTS), "label": names(LABELS)}), tmp_path / f"t.{suffix}")
    made = load(train=f"t.{suffix}", validation=f"t.{suffix}")
    assert made.train.column("text").to_pylist() == [text for text in TEXTS if text]
    assert labels.classes(made, Data()) == ["bad", "good"]
    pages = pager.open_pager(sources.from_file(tmp_path / f"t.{suffix}").part("train"))
    assert [row["label"] for _, row in pages.search(0, 9, "LAMP")] == ["good"]


def test_bytes_that_are_utf_8_are_texts_and_others_are_left(tmp_path, load):
    texts = [None if text is None else text.encode() for text in TEXTS]
    save(pa.table({"text": texts, "label": LABELS, "image": [b"\xff\x00"] * 4}), tmp_path / "t.parquet")
    made = load(train="t.parquet", validation="t.parquet")
    assert made.train.column("text").to_pylist() == [text for text in TEXTS if text]
    assert made.train.column("image").to_pylist() == [b"\xff\x00"] * 3


@pytest.mark.parametrize(
    "lists",
    [
        pa.array([["a"], ["b", "a"], [], ["b"]], pa.list_(pa.string_view())),
        pa.array([["a"], ["b", "a"], [], ["b"]], pa.large_list(pa.string())),
        pa.array([["a"], ["b", "a"], [], ["b"]], pa.list_view(pa.string())),
        pa.ListArray.from_arrays([0, 1, 3, 3, 4], categories(["a", "b", "a", "b"])),
    ],
    ids=lambda lists: str(lists.type)[:30],
)
def test_lists_of_every_type_are_lists(tmp_path, load, lists):
    save(pa.table({"text": TEXTS, "label": lists}), tmp_path / "t.arrow")
    made = load(train="t.arrow", validation="t.arrow")
    assert labels.classes(made, Data()) == ["a", "b"]
    assert labels.encode(made, "train", ["a", "b"], Data()).tolist() == [[1, 0], [0, 0], [0, 1]]


@pytest.mark.parametrize("type", [pa.float16(), pa.uint8(), pa.uint64(), pa.decimal128(30, 2), pa.bool_()], ids=str)
def test_numbers_of_every_type_are_classes(tmp_path, load, type):
    save(pa.table({"text": TEXTS, "label": pa.array([0, 1, 1, 0]).cast(type)}), tmp_path / "t.parquet")
    made = load(train="t.parquet", validation="t.parquet")
    known = labels.classes(made, Data())
    assert labels.encode(made, "train", known, Data()).tolist() == [0, 1, 0]


def save(table: pa.Table, path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as file:
            file.write_table(table)
