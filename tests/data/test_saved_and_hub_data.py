"""What `datasets` wrote is read where it lies, by pyarrow alone, and the hub is asked only when it must be."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from workbench.core.errors import DataError
from workbench.data.formats import columnar
from workbench.data.tables import hubdata, sources
from workbench.models import hub


@pytest.fixture
def dataset():
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    return datasets.Dataset.from_dict({"text": [f"t{i}" for i in range(6)], "label": [0, 1] * 3}, features=features)


def files_under(directory: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in directory.rglob("*")}


def test_a_saved_dataset_in_shards_is_read_and_left_as_it_was(dataset, tmp_path):
    dataset.save_to_disk(str(tmp_path / "saved"), num_shards=3)
    before = files_under(tmp_path)
    table = sources.open_named("saved", [tmp_path]).table("train")
    assert table.column("text").to_pylist() == [f"t{i}" for i in range(6)]
    assert columnar.class_names(table.schema, "label") == ["neg", "pos"]
    assert files_under(tmp_path) == before


def test_a_saved_dict_keeps_its_splits_and_a_shuffled_one_its_order(dataset, tmp_path):
    import datasets

    shuffled = dataset.shuffle(seed=3)
    datasets.DatasetDict({"train": shuffled, "test": dataset.select([4, 1])}).save_to_disk(str(tmp_path / "saved"))
    source = sources.open_named("saved", [tmp_path])
    assert source.splits() == {"train": 6, "test": 2}
    assert source.table("train").column("text").to_pylist() == shuffled["text"][:]
    assert source.table("test").column("text").to_pylist() == ["t4", "t1"]


def test_a_saved_directory_that_lost_a_shard_says_which(dataset, tmp_path):
    dataset.save_to_disk(str(tmp_path / "saved"), num_shards=2)
    lost = sorted((tmp_path / "saved").glob("*.arrow"))[1]
    lost.unlink()
    with pytest.raises(DataError, match=lost.name):
        sources.open_named("saved", [tmp_path]).splits()


@pytest.fixture
def cached(no_hub, tmp_path, monkeypatch):
    """`owner/films` as `datasets` prepares it in its cache, in the configuration `default`."""
    import datasets

    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "train.csv").write_text("text,label\na,0\nb,1\n")
    (tmp_path / "films" / "test.csv").write_text("text,label\nc,1\n")
    build = tmp_path / "build"
    datasets.load_dataset(str(tmp_path / "films"), cache_dir=str(build))
    prepared = next(build.rglob("dataset_info.json")).parent
    target = no_hub / "datasets" / "owner___films" / "default" / "0.0.0" / ("c0ffee" * 6 + "c0ff")
    shutil.copytree(prepared, target)
    return target


def test_a_data_set_in_the_cache_needs_neither_hub_nor_library(cached, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("the hub was asked"))
    source = sources.open_named("owner/films", [])
    assert source.splits() == {"train": 2, "test": 1}
    assert source.table("test").column("text").to_pylist() == ["c"]
    assert source.place("test", 0).endswith("row 1")
    assert sources.open_named("owner/films", [], revision="c0ffee").splits() == {"train": 2, "test": 1}


def test_another_revision_or_configuration_is_not_taken_for_the_cached_one(cached):
    with pytest.raises(DataError, match="not in the cache"):
        sources.open_named("owner/films", [], revision="abad1dea")
    with pytest.raises(DataError, match="configuration en"):
        sources.open_named("owner/films", [], config="en")


def test_a_branch_stands_for_the_commit_it_was_last_seen_at(cached, no_hub):
    refs = no_hub / "hub" / "datasets--owner--films" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(cached.name)
    (refs / "other").write_text("d" * 40)
    assert sources.open_named("owner/films", [], revision="main").names == ["train", "test"]
    with pytest.raises(DataError, match="not in the cache"):
        sources.open_named("owner/films", [], revision="other")


def test_several_cached_configurations_ask_for_one(cached):
    for name in ("en", "fr"):
        shutil.copytree(cached.parents[1], cached.parents[2] / name)
    shutil.rmtree(cached.parents[1])
    with pytest.raises(DataError, match=r"set data\.config to en, fr"):
        sources.open_named("owner/films", [])
    assert sources.open_named("owner/films", [], config="fr").names == ["train", "test"]


def test_an_unknown_id_without_a_network_is_answered_in_a_sentence(cached):
    with pytest.raises(DataError) as caught:
        sources.open_named("owner/film", [])
    said = str(caught.value)
    assert said.startswith(
        "owner/film: no file or directory of that name, not in the cache, and the hub cannot be reached"
    )
    assert "did you mean 'owner/films'?" in said


def test_the_users_word_that_there_is_no_network_is_taken(no_hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set"):
        sources.open_named("owner/films", [])


def test_a_hub_that_swallows_connections_is_given_up_on(no_hub, monkeypatch):
    """A listener whose queue is full answers nothing at all, like a firewall that drops packets."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        reason = hub.why_unreachable(patience=0.3)
        for filler in fillers:
            filler.close()
    assert reason is not None
    assert "timed out" in reason


def test_the_proxy_is_what_must_answer_where_there_is_one(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy.example:3128")
    assert hub.endpoint() == ("proxy.example", 3128)
    monkeypatch.delenv("https_proxy")
    if "HTTPS_PROXY" not in os.environ:
        assert hub.endpoint() == ("hub.example", 443)


def test_a_download_keeps_splits_and_names_and_its_failure_is_a_sentence(no_hub, write, tmp_path, monkeypatch):
    """`datasets` takes a directory where it would take an id, which is as near to a download as a test can come."""
    write("films/train.jsonl", '{"text": "a", "label": 1}\n')
    write("films/test.jsonl", '{"text": "b", "label": 0}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "why_unreachable", lambda: None)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    tables = hubdata.download("films", None, None)
    assert {split: table.column("text").to_pylist() for split, table in tables.items()} == {
        "train": ["a"],
        "test": ["b"],
    }
    with pytest.raises(DataError, match="films: cannot be downloaded"):
        hubdata.download("films", "no such configuration", None)
