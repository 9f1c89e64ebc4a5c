"""Tokens are made once: found again as they were, made anew when anything changed, and never in the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import time

import numpy as np
import pyarrow as pa
import pytest

from workbench.core.errors import BadInput
from workbench.data.cache.token_cache import LIMIT, TokenCache, limit_asked
from workbench.data.cache.token_entry import key_of


def pieces(rows=10, seed=0):
    rng = np.random.default_rng(seed)
    yield {"bounds": np.zeros(1, np.int64)}
    for part in range(3):
        yield {
            "ids": rng.integers(0, 1000, rows * 3).astype(np.int32),
            "bounds": np.arange(1, rows + 1) * 3 + part * rows * 3,
            "labels": rng.random((rows, 2)),
            "empty": np.zeros(0, np.int8),
        }


def same(found, made):
    expected = {name: np.concatenate([piece[name] for piece in made if name in piece]) for name in found}
    for name, values in found.items():
        assert values.dtype == expected[name].dtype
        np.testing.assert_array_equal(values, expected[name])


def never():
    raise AssertionError("it is there already")
    yield {}


@pytest.fixture
def cache(tmp_path):
    return TokenCache(tmp_path / "home" / "cache" / "tokens", limit=1 << 30)


def test_what_was_made_once_is_found_again_mapped_and_private(cache):
    same(cache.arrays("a1", {"split": "train"}, pieces), list(pieces()))
    found = cache.arrays("a1", {"split": "train"}, never)
    same(found, list(pieces()))
    assert isinstance(found["ids"].base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found["ids"][0] = 1
    modes = {path.stat().st_mode & 0o777 for path in cache.root.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (cache.root, cache.root.parent, cache.root / "a1")} == {0o700}
    (kept,) = cache.kept()
    assert kept.about == {"split": "train"}
    assert kept.size > found["ids"].nbytes


def test_a_key_changes_with_any_text_any_setting_and_the_order():
    texts = pa.chunked_array([["good", "bad"], ["", None]])
    key = key_of([texts], "tokenizer", {"max_length": 64})
    assert key == key_of([pa.chunked_array([["good"], ["bad", "", None]])], "tokenizer", {"max_length": 64})
    assert key == key_of([pa.chunked_array([["x", "good", "bad", "", None]]).slice(1)], "tokenizer", {"max_length": 64})
    others = [
        ([pa.chunked_array([["bad", "good", "", None]])], "tokenizer", {"max_length": 64}),
        ([pa.chunked_array([["goodb", "ad", "", None]])], "tokenizer", {"max_length": 64}),
        ([pa.chunked_array([["good", "bad", None, ""]])], "tokenizer", {"max_length": 64}),
        ([texts], "another", {"max_length": 64}),
        ([texts], "tokenizer", {"max_length": 65}),
        ([texts, texts], "tokenizer", {"max_length": 64}),
        ([texts.slice(0, 3)], "tokenizer", {"max_length": 64}),
    ]
    assert len({key, *(key_of(*given) for given in others)}) == len(others) + 1


@pytest.mark.parametrize("harm", ["shorter", "longer", "gone", "edited", "no facts", "other facts", "torn facts"])
def test_an_entry_that_is_damaged_is_made_again(cache, harm):
    cache.arrays("a1", {}, pieces)
    ids, facts = cache.root / "a1" / "ids.bin", cache.root / "a1" / "entry.json"
    if harm == "shorter":
        os.truncate(ids, ids.stat().st_size - 4)
    elif harm == "longer":
        ids.write_bytes(ids.read_bytes() + b"more")
    elif harm == "gone":
        ids.unlink()
    elif harm == "edited":
        ids.write_bytes(b"\xff" * ids.stat().st_size)
    elif harm == "no facts":
        facts.unlink()
    elif harm == "other facts":
        body = json.loads(facts.read_text())
        body["arrays"]["ids"]["shape"] = [body["arrays"]["ids"]["shape"][0], 1]
        facts.write_text(json.dumps(body))
    else:
        facts.write_bytes(facts.read_bytes()[:-20])
    assert cache.find("a1") is None
    same(cache.arrays("a1", {}, pieces), list(pieces()))
    same(cache.arrays("a1", {}, never), list(pieces()))


def test_what_was_used_longest_ago_goes_first(tmp_path):
    size = TokenCache(tmp_path / "one", limit=1 << 30)
    size.arrays("a", {}, pieces)
    (one,) = size.kept()
    cache = TokenCache(tmp_path / "cache", limit=int(one.size * 2.5))
    for place, key in enumerate(("a", "b")):
        cache.arrays(key, {}, pieces)
        os.utime(cache.root / key / "entry.json", (place, place))
    cache.arrays("a", {}, never)
    cache.arrays("c", {}, pieces)
    assert [kept.key for kept in cache.kept()] == ["c", "a"]
    assert sum(kept.size for kept in cache.kept()) <= one.size * 2.5


def test_one_that_is_larger_than_the_cache_stays_in_memory(tmp_path):
    said = []
    cache = TokenCache(tmp_path / "cache", limit=1000, warn=said.append)
    same(cache.arrays("a", {}, lambda: pieces(100)), list(pieces(100)))
    assert cache.kept() == []
    assert len(said) == 1
    assert LIMIT in said[0]


def test_nothing_is_kept_where_none_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT, "0")
    said = []
    cache = TokenCache(tmp_path / "cache", warn=said.append)
    same(cache.arrays("a", {}, pieces), list(pieces()))
    assert not (tmp_path / "cache").exists()
    assert not said
    monkeypatch.setenv(LIMIT, "much")
    with pytest.raises(BadInput, match=LIMIT):
        limit_asked()


def test_where_nothing_can_be_written_training_goes_on_and_it_is_said_once(tmp_path):
    (tmp_path / "home").write_text("a file where the directory belongs")
    said = []
    cache = TokenCache(tmp_path / "home" / "cache", warn=said.append)
    for key in "ab":
        same(cache.arrays(key, {}, pieces), list(pieces()))
    assert len(said) == 1
    assert "made in memory" in said[0]


def test_a_disk_that_fills_up_is_no_end(cache, monkeypatch):
    from workbench.data.cache import token_entry

    said = []
    cache = TokenCache(cache.root, limit=1 << 30, warn=said.append)

    def full(self, values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(token_entry.GrowingFile, "append", full)
    same(cache.arrays("a", {}, pieces), list(pieces()))
    assert "No space left" in said[0]
    assert [path.name for path in cache.root.iterdir() if path.is_dir()] == []


def test_an_error_of_the_rows_leaves_nothing_behind(cache):
    def broken():
        yield from pieces()
        raise BadInput("row 7 is broken")

    with pytest.raises(BadInput):
        cache.arrays("a", {}, broken)
    assert [path.name for path in cache.root.iterdir() if path.is_dir()] == []


def make(root, counts, barrier):
    def slowly():
        with counts.get_lock():
            counts.value += 1
        for piece in pieces(1000):
            time.sleep(0.05)
            yield piece

    barrier.wait()
    found = TokenCache(root, limit=1 << 30).arrays("a1", {}, slowly)
    same(found, list(pieces(1000)))


def test_processes_that_ask_at_once_make_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    counts, barrier = context.Value("i", 0), context.Barrier(3)
    ranks = [context.Process(target=make, args=(tmp_path / "cache", counts, barrier)) for _ in range(3)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
    assert [rank.exitcode for rank in ranks] == [0, 0, 0]
    assert counts.value == 1


def die(root):
    def half():
        yield next(pieces())
        os._exit(1)

    TokenCache(root, limit=1 << 30).arrays("a1", {}, half)


def test_what_a_killed_process_left_is_swept_away(cache):
    rank = multiprocessing.get_context("fork").Process(target=die, args=(cache.root,))
    rank.start()
    rank.join(60)
    (draft,) = cache.root.glob(".draft-*")
    assert cache.kept() == []
    os.utime(draft, (0, 0))
    same(cache.arrays("a1", {}, pieces), list(pieces()))
    assert list(cache.root.glob(".draft-*")) == []


def test_clearing_leaves_what_is_mapped_to_those_who_use_it(cache):
    found = cache.arrays("a1", {}, pieces)
    cache.arrays("b1", {}, pieces)
    entries, size = cache.clear()
    assert entries == 2
    assert size > 0
    assert cache.kept() == []
    same(found, list(pieces()))


def test_what_cannot_be_written_to_is_read_all_the_same(cache, monkeypatch):
    cache.arrays("a1", {}, pieces)

    def read_only(*given, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "utime", read_only)
    monkeypatch.setattr(os, "mkdir", read_only)
    monkeypatch.setattr(TokenCache, "_making", read_only)
    same(cache.arrays("a1", {}, never), list(pieces()))


def test_one_who_holds_the_lock_and_sleeps_is_not_waited_for_without_end(cache, monkeypatch):
    from workbench.data.cache import token_cache

    monkeypatch.setattr(token_cache, "_PATIENCE", 0.2)
    cache._open_root()
    with cache._making("a1"):
        same(cache.arrays("a1", {}, pieces), list(pieces()))
    same(cache.arrays("a1", {}, never), list(pieces()))
