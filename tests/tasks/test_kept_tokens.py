"""A second run finds the tokens of the first, and what changed is never served."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest

from workbench.data.cache.token_cache import TokenCache
from workbench.data.cache.word_ids import WordIds
from workbench.data.tables import splits as data
from workbench.models.locate import locate, minilm_directory
from workbench.models.weights import open_tokenizer
from workbench.tasks import recipe_union as recipe
from workbench.tasks import spec
from workbench.tasks.spec import splits_for

RECIPE = """
name = "kept"
task = "text-classification"
[model]
name = "builtin:minilm"
[data]
source = "rows.csv"
max_length = 16
holdout = 0.25
"""


@pytest.fixture(autouse=True)
def all_is_worth_keeping(monkeypatch):
    monkeypatch.setattr(data, "_WORTH", 0)


@pytest.fixture
def place(tmp_path):
    write(tmp_path, [f"the film number {row} was good" + " and long" * (row % 9) for row in range(40)])
    return tmp_path


def write(place, texts, pairs=False):
    with open(place / "rows.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sentence1", "sentence2", "label"] if pairs else ["text", "label"])
        for row, text in enumerate(texts):
            rows.writerow([text, *(["a second text"] if pairs else []), "good" if row % 2 else "bad"])


def prepare(place, *overrides, tokenizer=None, cached=True):
    wanted = recipe.parse(RECIPE, overrides=list(overrides))
    splits = splits_for(wanted, [place])
    cache = TokenCache(place / "cache" / "tokens", limit=1 << 30)
    task = spec.task_for(wanted)
    task._typed = True
    tokenizer = tokenizer or open_tokenizer(minilm_directory())
    return task.prepare(dataclasses.replace(splits, cache=cache if cached else None), tokenizer, 512), cache


@pytest.mark.parametrize("pairs", [False, True])
def test_a_hit_gives_the_rows_that_were_made(place, pairs):
    write(place, [f"the film number {row} was good" + " and long" * (row % 9) for row in range(40)], pairs)
    plain, _ = prepare(place, cached=False)
    first, cache = prepare(place)
    assert len(cache.kept()) == 2
    again, _ = prepare(place)
    assert len(cache.kept()) == 2
    for name, rows in plain.splits.items():
        for other in (first.splits[name], again.splits[name]):
            assert other.digest() == rows.digest()
            assert isinstance(other.ids.base, np.memmap)
            assert (other.segments is None) != pairs
            np.testing.assert_array_equal(other.source, rows.source)
    assert plain.counts == first.counts == again.counts
    assert plain.notes == again.notes
    assert plain.counts["train"]["truncated"] > 0


def test_seeds_rates_and_labels_share_tokens(place):
    _, cache = prepare(place)
    _, cache = prepare(place, "seed=7", "train.learning_rate=1e-3", 'data.labels=["good", "bad"]')
    assert len(cache.kept()) == 2


def test_what_changed_is_made_anew(place):
    first, cache = prepare(place)
    there = {kept.key for kept in cache.kept()}
    write(place, [f"the film number {row} was bad!" + " and long" * (row % 9) for row in range(40)])
    changed, _ = prepare(place)
    assert changed.splits["train"].digest() != first.splits["train"].digest()
    assert len({kept.key for kept in cache.kept()} - there) == 2
    shorter, _ = prepare(place, "data.max_length=8")
    assert shorter.splits["train"].lengths.max() == 8
    tokenizer = open_tokenizer(minilm_directory())
    tokenizer.add_tokens(["bad!"])
    other, _ = prepare(place, tokenizer=tokenizer)
    assert len(tokenizer) - 1 in other.splits["train"].ids
    left = open_tokenizer(minilm_directory())
    left.truncation_side = "left"
    assert prepare(place, tokenizer=left)[0].splits["train"].digest() != changed.splits["train"].digest()
    assert len(cache.kept()) == 10


TASKS = {
    "causal-lm": 'architecture = "gpt2"\nconfig = {n_layer = 1, n_head = 2, n_embd = 16}',
    "seq2seq": 'architecture = "t5"\nconfig = {num_layers = 1, num_heads = 2, d_model = 16, d_ff = 16, d_kv = 8}',
}


@pytest.mark.parametrize(
    ("task", "source"), [("causal-lm", "rows.jsonl"), ("causal-lm", "rows.txt"), ("seq2seq", "rows.jsonl")]
)
def test_blocks_and_both_sides_are_kept_too_and_the_words_change_nothing(tmp_path, task, source, monkeypatch):
    texts = [f"the film number {row} was good" + " and long" * (row % 9) for row in range(3000)]
    rows = [{"text": text, "target": text[:20]} if task == "seq2seq" else {"text": text} for text in texts]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "rows.txt").write_text("\n".join(texts))
    model = f'{TASKS[task]}\ntokenizer = "bpe"\nvocab_size = 400'
    wanted = recipe.parse(f'name = "x"\ntask = "{task}"\n[model]\n{model}\n[data]\nsource = "{source}"\n')
    made = spec.task_for(wanted)
    tokenizer = made.tokenizer(splits_for(wanted, [tmp_path]), [tmp_path])
    made.config(locate(wanted.model, [tmp_path]), tokenizer)
    cache = TokenCache(tmp_path / "cache" / "tokens", limit=1 << 30)
    first = made.prepare(splits_for(wanted, [tmp_path], cache), tokenizer, 64)
    again = made.prepare(splits_for(wanted, [tmp_path], cache), tokenizer, 64)
    monkeypatch.setattr(WordIds, "of", lambda tokenizer: None)
    plain = made.prepare(splits_for(wanted, [tmp_path]), tokenizer, 64)
    for name, rows in plain.splits.items():
        assert first.splits[name].digest() == again.splits[name].digest() == rows.digest()
    assert plain.counts == first.counts == again.counts
    assert plain.notes == first.notes == again.notes
    assert {kept.about["task"] for kept in cache.kept()} == {task}


def test_what_is_made_in_no_time_is_not_kept(place, monkeypatch):
    monkeypatch.setattr(data, "_WORTH", 1_000_000)
    _, cache = prepare(place)
    assert not cache.root.exists()
