"""What is kept for the next run is listed and thrown away."""

import json

import numpy as np

from workbench.data.cache.token_cache import TokenCache


def test_tokens_that_are_kept_are_listed_and_cleared(shell):
    assert "nothing is kept" in shell("cache", "ls").stdout
    assert json.loads(shell("cache", "ls", "--json").stdout) == []
    cache = TokenCache(shell.home / "cache" / "tokens", limit=1 << 30)
    about = {"data": "reviews\x1b[31m.csv", "split": "train", "rows": 12_000, "task": "text-classification"}
    cache.arrays("ab12", about, lambda: [{"ids": np.arange(1_000_000, dtype=np.int32)}])
    listed = shell("cache", "ls").stdout
    assert "4.0 MB" in listed
    assert "12,000" in listed
    assert "text-classification" in listed
    assert "\x1b" not in listed
    (row,) = json.loads(shell("cache", "ls", "--json").stdout)
    assert list(row) == ["key", "bytes", "created", "used", "about"]
    assert (row["key"], row["about"]["split"]) == ("ab12", "train")
    assert "1 entry thrown away" in shell("cache", "clear").stdout
    assert json.loads(shell("cache", "clear", "--json").stdout) == {"entries": 0, "bytes": 0}


def test_a_damaged_entry_is_listed_as_such(shell):
    cache = TokenCache(shell.home / "cache" / "tokens", limit=1 << 30)
    cache.arrays("ab12", {}, lambda: [{"ids": np.arange(10)}])
    (cache.root / "ab12" / "entry.json").write_text("{")
    assert "damaged" in shell("cache", "ls").stdout


def test_a_size_that_is_none_is_refused(shell):
    assert "WORKBENCH_CACHE_BYTES" in shell("cache", "ls", code=2, WORKBENCH_CACHE_BYTES="much").stderr
