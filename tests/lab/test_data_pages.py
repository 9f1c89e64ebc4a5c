"""data.*: any split of a file, a directory, a recipe or a run, page by page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.contracts.lab.data_requests import DataPage, DataRow, DataSplits, DataStats, RowsOf, ShortRow
from workbench.core.errors import BadInput
from workbench.core.home import Home
from workbench.lab import openings
from workbench.lab.client import Lab
from workbench.lab.data_service import DataService

Write = Callable[[str, str], Path]

RECIPE = """
name = "reviews"
task = "text-classification"
model.name = "builtin:minilm"
[data]
source = "{source}"
train = "train[:40]"
validation = "train[40:50]"
labels = ["bad", "good"]
"""


@pytest.fixture
def service(tmp_path: Path) -> DataService:
    return DataService(Home(tmp_path))


@pytest.fixture
def reviews(write: Write) -> Path:
    """Fifty rows: Chinese and English, two labels, one text twice."""
    rows = [
        {"text": f"第{n}家酒店 hotel number {n}" if n else "第1家酒店 hotel number 1", "label": n % 2}
        for n in range(50)
    ]
    return write("reviews.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))


def test_a_page_is_the_rows_asked_for_and_how_many_there_are(service: DataService, reviews: Path):
    page = service.page(DataPage(split="train", of=RowsOf("source", str(reviews)), offset=10, limit=3))
    assert (page.total, page.known) == (50, 50)
    assert [item.index for item in page.rows] == [10, 11, 12]
    assert page.rows[0] == ShortRow(at=10, index=10, text="第10家酒店 hotel number 10", length=22, label="0")


@pytest.mark.parametrize(("offset", "limit", "count"), [(48, 10, 2), (50, 10, 0), (99, 5, 0), (0, 0, 0), (-5, 2, 2)])
def test_a_page_at_or_past_the_end_is_short(service: DataService, reviews: Path, offset: int, limit: int, count: int):
    page = service.page(DataPage(split="train", of=RowsOf("source", str(reviews)), offset=offset, limit=limit))
    assert (len(page.rows), page.total) == (count, 50)


def test_search_ignores_case_and_label_narrows_it(service: DataService, reviews: Path):
    found = service.page(DataPage(split="train", of=RowsOf("source", str(reviews)), search="NUMBER 1"))
    assert [item.index for item in found.rows] == [0, 1, *range(10, 20)]
    both = service.page(
        DataPage(split="train", of=RowsOf("source", str(reviews)), search="NUMBER 1", label="1", offset=1, limit=2)
    )
    assert (both.total, [item.index for item in both.rows]) == (6, [11, 13])
    assert service.page(DataPage(split="train", of=RowsOf("source", str(reviews)), search="家酒店")).total == 50
    assert service.page(DataPage(split="train", of=RowsOf("source", str(reviews)), search="a.*b")).total == 0


def test_a_row_is_given_whole_and_a_page_only_its_beginning(service: DataService, write: Write):
    long = write("long.jsonl", json.dumps({"text": "x" * 10_000_000, "meta": {"stars": [1, 2]}}))
    item = service.page(DataPage(split="train", of=RowsOf("source", str(long)))).rows[0]
    assert (len(item.text), item.length) == (400, 10_000_000)
    row = service.row(DataRow(split="train", at=0, of=RowsOf("source", str(long))))
    assert [(field.name, len(field.text), field.characters) for field in row.fields] == [
        ("text", 20_000, 10_000_000),
        ("meta", 17, 17),
    ]
    assert row.fields[1].text == '{"stars": [1, 2]}'


def test_figures_count_what_is_wrong_with_a_split(service: DataService, tmp_path: Path):
    rows = [("a", "x"), ("a", "x"), ("", "y"), ("bb" * 100, None), ("shared", "y")]
    (tmp_path / "d").mkdir()
    (tmp_path / "d/train.jsonl").write_text("\n".join(json.dumps({"text": t, "label": n}) for t, n in rows))
    (tmp_path / "d/test.jsonl").write_text(json.dumps({"text": "shared", "label": "x"}))
    stats = service.stats(DataStats(split="train", of=RowsOf("source", str(tmp_path / "d"))))
    assert stats.labels == {"x": 2, "y": 2, "": 1}
    assert (stats.rows, stats.kinds, stats.empty, stats.repeated) == (5, 2, 1, 1)
    assert (stats.lengths.median, stats.lengths.max) == (1, 200)
    assert sum(stats.lengths.bins) + stats.lengths.beyond == 5
    assert stats.shared == {"test": 1}


def test_a_recipe_shows_the_rows_it_trains_on_with_the_names_of_its_labels(
    service: DataService, reviews: Path, write: Write
):
    recipe = write("r.toml", RECIPE.format(source=reviews.name))
    opened = service.splits(DataSplits(of=RowsOf("recipe", str(recipe))))
    assert (opened.name, opened.splits) == ("reviews", ("train", "validation"))
    page = service.page(DataPage(split="validation", of=RowsOf("recipe", str(recipe))))
    assert [item.index for item in page.rows] == list(range(40, 50))
    assert {item.label for item in page.rows} == {"bad", "good"}
    assert service.page(DataPage(split="train", of=RowsOf("recipe", str(recipe)), label="good")).total == 20
    row = service.row(DataRow(split="validation", at=1, of=RowsOf("recipe", str(recipe))))
    assert (row.index, row.label, row.fields[1].text) == (41, "good", "1 (good)")


def test_a_run_shows_the_rows_of_its_recipe(tmp_path: Path, service: DataService, reviews: Path):
    run = tmp_path / "runs" / "abc"
    run.mkdir(parents=True)
    recipe = {
        "name": "r",
        "task": "text-classification",
        "model": {"name": "builtin:minilm"},
        "data": {"source": reviews.name, "train": "train[:10]", "validation": "train[10:12]"},
    }
    (run / "run.json").write_text(json.dumps({"recipe": recipe, "search": [str(tmp_path)]}))
    assert service.page(DataPage(split="validation", of=RowsOf("run", "abc"))).total == 2
    with pytest.raises(BadInput, match="no run 'abd'"):
        service.page(DataPage(split="train", of=RowsOf("run", "abd")))


def test_rows_a_recipe_cannot_use_are_shown_with_the_reason(service: DataService, write: Write):
    write("odd.jsonl", json.dumps({"words": "a", "kind": "b"}))
    recipe = write("r.toml", RECIPE.format(source="odd.jsonl"))
    opened = service.splits(DataSplits(of=RowsOf("recipe", str(recipe))))
    assert opened.splits == ("train",)
    assert len(opened.notes) == 1
    assert service.page(DataPage(split="train", of=RowsOf("recipe", str(recipe)))).rows[0].text == "a"


def test_a_file_that_changes_is_read_again(service: DataService, write: Write):
    path = write("a.txt", "one\ntwo\n")
    assert service.page(DataPage(split="train", of=RowsOf("source", str(path)))).total == 2
    write("a.txt", "one\ntwo\nthree\n")
    assert service.page(DataPage(split="train", of=RowsOf("source", str(path)))).total == 3


def test_rows_without_a_text_column_are_shown_as_they_are(service: DataService, tmp_path: Path):
    pq.write_table(pa.table({"tokens": [["a", "b"], ["c"]], "n": [1, 2]}), tmp_path / "t.parquet")
    page = service.page(DataPage(split="train", of=RowsOf("source", str(tmp_path / "t.parquet"))))
    assert [item.text for item in page.rows] == ['{"tokens": ["a", "b"], "n": 1}', '{"tokens": ["c"], "n": 2}']
    assert (
        service.page(DataPage(split="train", of=RowsOf("source", str(tmp_path / "t.parquet")), search='"c"')).total == 1
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (RowsOf("source", "no/such/file.csv"), "no such file"),
        (RowsOf("recipe", "no-such.toml"), "no such recipe"),
        (RowsOf("run", "zzz"), "no run 'zzz'"),
        (RowsOf("source", "builtin:nothing"), "nothing"),
        (RowsOf("source", "some-owner/some-set"), "some-owner/some-set"),
    ],
)
def test_what_cannot_be_opened_is_said_in_a_sentence(service: DataService, asked: RowsOf, said: str):
    with pytest.raises(BadInput, match=said):
        service.splits(DataSplits(asked))


def test_an_unknown_split_and_an_unknown_row_are_named(service: DataService, reviews: Path):
    with pytest.raises(BadInput, match=r"no split 'dev'.*it has train"):
        service.page(DataPage(split="dev", of=RowsOf("source", str(reviews))))
    with pytest.raises(BadInput, match="no row 50"):
        service.row(DataRow(split="train", at=50, of=RowsOf("source", str(reviews))))


def test_hostile_text_comes_through_the_process_as_it_is(lab: Lab, tmp_path: Path):
    nasty = "\x1b]52;c;aGk=\x07 a\u202eb \u2028 \x00"
    (tmp_path / "n.jsonl").write_text(json.dumps({"text": nasty}))
    assert lab.ask(DataPage(RowsOf("source", str(tmp_path / "n.jsonl")), "train")).rows[0].text == nasty


def test_the_lab_pages_data_without_the_training_stack(service: DataService, reviews: Path):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from workbench.core.home import Home\n"
        "from workbench.lab.data_service import DataService\n"
        "from workbench.contracts.lab.data_requests import DataStats, RowsOf\n"
        f"DataService(Home(Path('.'))).stats(DataStats(RowsOf('source', {str(reviews)!r}), 'train'))\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "datasets", "evaluate"} & set(loaded)


def test_a_file_too_large_to_hold_is_paged_and_says_that_there_is_more(
    service: DataService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(openings, "LARGE", 1_000_000)
    rows = (json.dumps({"text": f"row {n} " + "word " * 40, "label": "ab"[n % 2]}) for n in range(30_000))
    (tmp_path / "large.jsonl").write_text("\n".join(rows))
    asked = {"split": "train", "of": RowsOf("source", str(tmp_path / "large.jsonl"))}
    first = service.page(DataPage(**asked, limit=2))
    assert first.more
    assert 2 < first.known < 30_000
    assert [item.label for item in first.rows] == ["a", "b"]
    last = service.page(DataPage(**asked, offset=29_998, limit=10))
    assert ([item.index for item in last.rows], last.total, last.more) == ([29_998, 29_999], 30_000, False)
    found = service.page(DataPage(**asked, search="ROW 2999", label="b"))
    assert [item.at for item in found.rows] == [2999, *range(29_991, 30_000, 2)]
    assert service.row(DataRow(**asked, at=12_345)).fields[0].text.startswith("row 12345 ")
    stats = service.stats(DataStats(**asked))
    assert (stats.rows, stats.partial, stats.labels) == (20_000, True, {"a": 10_000, "b": 10_000})
    with pytest.raises(BadInput, match="no row 30000"):
        service.row(DataRow(**asked, at=30_000))


def test_a_broken_line_takes_the_place_of_its_row_and_is_named(service: DataService, write: Write):
    asked = {
        "split": "train",
        "of": RowsOf("source", str(write("broken.jsonl", '{"text": "a"}\n{"text": "torn\n{"text": "b"}\n'))),
    }
    texts = [item.text for item in service.page(DataPage(**asked)).rows]
    assert (texts[0], texts[2]) == ("a", "b")
    assert texts[1].startswith("cannot be read: not JSON")
    assert "broken.jsonl:2" in service.stats(DataStats(**asked)).notes[0]
    assert service.row(DataRow(**asked, at=1)).fields[0].name == "cannot be read"
