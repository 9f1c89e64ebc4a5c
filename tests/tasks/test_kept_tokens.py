"""A second run finds the tokens of the first, and what changed is never served."""

from __future__ import annotations

import csv
import dataclasses
import json
import os

import numpy as np
import pytest
from transformers import PreTrainedConfig

from workbench.core.errors import DataError
from workbench.data.cache.token_cache import TokenCache
from workbench.data.cache.word_ids import WordIds
from workbench.data.report import ledger
from workbench.data.tables import splits as data
from workbench.models.locate import locate, minilm_directory
from workbench.models.weights import open_tokenizer
from workbench.tasks import recipe_union as recipe
from workbench.tasks import spec
from workbench.tasks.loading import splits_for

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
    task = spec.task_of(wanted.task)
    config = PreTrainedConfig(max_position_embeddings=512, type_vocab_size=2)
    tokenizer = tokenizer or open_tokenizer(minilm_directory())
    return task.prepare(wanted, dataclasses.replace(splits, cache=cache if cached else None), tokenizer, config), cache


@pytest.mark.parametrize("pairs", [False, True])
def test_a_hit_gives_the_rows_that_were_made(place, pairs):
    write(place, [f"the film number {row} was good" + " and long" * (row % 9) for row in range(40)], pairs)
    plain, _ = prepare(place, cached=False)
    first, cache = prepare(place)
    assert len(cache.kept()) == 2
    again, _ = prepare(place)
    assert len(cache.kept()) == 2
    for name, rows in plain.rows.items():
        for other in (first.rows[name], again.rows[name]):
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
    assert changed.rows["train"].digest() != first.rows["train"].digest()
    assert len({kept.key for kept in cache.kept()} - there) == 2
    shorter, _ = prepare(place, "data.max_length=8")
    assert shorter.rows["train"].lengths.max() == 8
    tokenizer = open_tokenizer(minilm_directory())
    tokenizer.add_tokens(["bad!"])
    other, _ = prepare(place, tokenizer=tokenizer)
    assert len(tokenizer) - 1 in other.rows["train"].ids
    left = open_tokenizer(minilm_directory())
    left.truncation_side = "left"
    assert prepare(place, tokenizer=left)[0].rows["train"].digest() != changed.rows["train"].digest()
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
    made = spec.task_of(wanted.task)
    tokenizer = made.tokenizer(wanted, splits_for(wanted, [tmp_path]), [tmp_path])
    config = made.config(wanted, locate(wanted.model, [tmp_path]), tokenizer)
    config.max_position_embeddings = 64
    cache = TokenCache(tmp_path / "cache" / "tokens", limit=1 << 30)
    first = made.prepare(wanted, splits_for(wanted, [tmp_path], cache), tokenizer, config)
    again = made.prepare(wanted, splits_for(wanted, [tmp_path], cache), tokenizer, config)
    monkeypatch.setattr(WordIds, "of", lambda tokenizer: None)
    plain = made.prepare(wanted, splits_for(wanted, [tmp_path]), tokenizer, config)
    for name, rows in plain.rows.items():
        assert first.rows[name].digest() == again.rows[name].digest() == rows.digest()
    assert plain.counts == first.counts == again.counts
    assert plain.notes == first.notes == again.notes
    assert {kept.about["task"] for kept in cache.kept()} == {task}


def test_what_is_made_in_no_time_is_not_kept(place, monkeypatch):
    monkeypatch.setattr(data, "_WORTH", 1_000_000)
    _, cache = prepare(place)
    assert not cache.root.exists()


CHATML = (
    "{% for turn in messages %}<|im_start|>{{ turn['role'] }}\n{{ turn['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BERT = (
    'architecture = "bert"\nconfig = {num_hidden_layers = 1, num_attention_heads = 2, hidden_size = 16,'
    ' intermediate_size = 16}\ntokenizer = "bpe"\nvocab_size = 400'
)
MINILM = 'name = "builtin:minilm"'
GPT2 = f'{TASKS["causal-lm"]}\ntokenizer = "bpe"\nvocab_size = 400'


def said(row):
    return f"the film number {row} was good" + " and long" * (row % 29)


def chat(row):
    return [{"role": "user", "content": said(row)}, {"role": "assistant", "content": f"number {row}"}]


def question(row):
    answer = {"text": [f"number {row}"], "answer_start": [said(row).index("number")]}
    return {"question": f"which film {row}" + " of all" * (row % 30), "context": said(row), "answers": answer}


def tagged(row):
    words = said(row).split() + ["\u200b"] * (row % 2)
    return {"tokens": words, "tags": ["B-FILM" if word == "film" else "O" for word in words]}


# name: task, model, a row, and what else the recipe says
KINDS = {
    "documents masked": ("masked-lm", BERT, lambda row: {"text": said(row)}, ""),
    "words": ("token-classification", MINILM, tagged, ""),
    "answers": ("question-answering", MINILM, question, ""),
    "prompts": ("causal-lm", GPT2, lambda row: {"prompt": said(row), "completion": f"number {row}"}, ""),
    "chats": ("causal-lm", GPT2, lambda row: {"messages": chat(row)}, ""),
    "chats, all learnt": ("causal-lm", GPT2, lambda row: {"messages": chat(row)}, 'loss_on = "all"'),
}


class Kind:
    """Rows of one kind, and the task that reads them."""

    def __init__(self, place, kind):
        task, model, row, train = KINDS[kind]
        self.place, self.row = place, row
        self.longest = 80 if kind.startswith("chats") else 40 if kind == "prompts" else 24
        self.write(range(60))
        self.wanted = recipe.parse(
            f'name = "x"\ntask = "{task}"\n[model]\n{model}\n[data]\nsource = "rows.jsonl"\n[train]\n{train}\n'
        )
        self.task = spec.task_of(self.wanted.task)
        self.tokenizer = self.task.tokenizer(self.wanted, splits_for(self.wanted, [place]), [place])
        self.tokenizer.chat_template = CHATML
        self.located = locate(self.wanted.model, [place])
        self.cache = TokenCache(place / "cache" / "tokens", limit=1 << 30)

    def write(self, numbers):
        (self.place / "rows.jsonl").write_text("\n".join(json.dumps(self.row(number)) for number in numbers))

    def prepared(self, cached=True, shorter=0):
        splits = splits_for(self.wanted, [self.place], self.cache if cached else None)
        config = self.task.config(self.wanted, self.located, self.tokenizer)
        config.max_position_embeddings = self.longest - shorter
        return self.task.prepare(self.wanted, splits, self.tokenizer, config)

    def batches(self, prepared):
        """Every batch of every split, to the bit."""
        import torch

        torch.manual_seed(3)
        model, _ = self.task.model(prepared, self.located)
        collator = self.task.collator(prepared, model)
        for rows in prepared.rows.values():
            for start in range(0, len(rows), 8):
                batch = collator([rows[row] for row in range(start, min(start + 8, len(rows)))])
                yield {name: (values.dtype, values.tolist()) for name, values in batch.items()}


def same(kind, one, other):
    assert one.counts == other.counts
    assert one.notes == other.notes
    for name, rows in one.rows.items():
        assert other.rows[name].digest() == rows.digest()
        np.testing.assert_array_equal(other.rows[name].source, rows.source)
    assert list(kind.batches(one)) == list(kind.batches(other))


@pytest.fixture(params=KINDS)
def kind(tmp_path, request):
    return Kind(tmp_path, request.param)


def test_rows_of_every_kind_come_from_the_cache_as_they_were_made(kind, monkeypatch):
    plain, first = kind.prepared(cached=False), kind.prepared()
    same(kind, plain, first)
    entries = kind.cache.kept()
    assert len(entries) == 2

    def never(*given):
        raise AssertionError("tokens are made again")

    monkeypatch.setattr(TokenCache, "_made", never)
    same(kind, plain, kind.prepared())


def test_rows_of_every_kind_are_made_anew_where_an_entry_is_damaged(kind):
    plain = kind.prepared(cached=False)
    kind.prepared()
    for path in kind.cache.root.glob("*/*.bin"):
        os.truncate(path, path.stat().st_size // 2)
    same(kind, plain, kind.prepared())
    same(kind, plain, kind.prepared())


def test_rows_of_every_kind_that_changed_are_made_anew(kind):
    first = kind.prepared()
    shorter = kind.prepared(shorter=8)
    assert shorter.rows["train"].lengths.max() <= kind.longest - 8 < first.rows["train"].lengths.max()
    kind.write([*range(59), 7])
    changed = kind.prepared()
    assert changed.rows["train"].digest() != first.rows["train"].digest()
    same(kind, kind.prepared(cached=False), changed)


def test_a_template_that_changes_makes_chats_anew(tmp_path):
    kind = Kind(tmp_path, "chats")
    first = kind.prepared()
    kind.tokenizer.chat_template = CHATML.replace("<|im_end|>", "<|end|>")
    assert kind.prepared().rows["train"].digest() != first.rows["train"].digest()


def test_a_chat_that_is_refused_is_refused_every_time(tmp_path):
    kind = Kind(tmp_path, "chats")
    kind.tokenizer.chat_template = CHATML + "{% if messages|length == 2 %}{{ raise_exception('two turns') }}{% endif %}"
    for _ in range(2):
        with pytest.raises(DataError, match="two turns"):
            kind.prepared()
    assert not kind.cache.kept()


@pytest.mark.parametrize("rows", ["words", "answers", "prompts"])
def test_the_ledger_counts_tokens_once(tmp_path, rows, monkeypatch):
    kind = Kind(tmp_path, rows)

    def counted(cache):
        splits = splits_for(kind.wanted, [tmp_path], cache)
        return ledger.lengths(splits, "train", kind.tokenizer.backend_tokenizer, kind.wanted.data)

    plain, first = counted(None), counted(kind.cache)
    monkeypatch.setattr(ledger, "_encoded", None)
    for found in (first, counted(kind.cache)):
        np.testing.assert_array_equal(found.tokens, plain.tokens)
        for name in ("repeated", "answers") if plain.windows else ():
            np.testing.assert_array_equal(getattr(found.windows, name), getattr(plain.windows, name))
