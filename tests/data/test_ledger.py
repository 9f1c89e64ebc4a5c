"""The length ledger says what each max length costs, before anything is trained."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from workbench.data.report import ledger
from workbench.data.report.ledger import BatchPlan, Lengths, Windows
from workbench.recipe import Data
from workbench.tasks.token_classification.spec import TokenClassificationData

PLAIN = BatchPlan(size=2, grouped=False, fixed=False, hidden=768)


@pytest.fixture(scope="module")
def words():
    """A tokenizer of words between two special tokens."""
    made = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = [("[CLS]", 1), ("[SEP]", 2)]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=special
    )
    return made


def test_rows_cut_and_tokens_lost_are_exact():
    found = Lengths(np.array([4, 10, 20, 40]))
    (at16,) = [e for e in ledger.entries(found, 16, None, PLAIN) if e.max_length == 16]
    assert (at16.rows_cut, at16.golds_lost, at16.windows, at16.time) == (0.5, None, None, 1.0)
    assert at16.tokens_lost == pytest.approx((4 + 24) / 74)
    assert [entry.max_length for entry in ledger.entries(found, 16, 512, PLAIN)] == [16, 32, 40]
    assert [entry.max_length for entry in ledger.entries(found, 16, 36, PLAIN)] == [16, 32, 36]


def test_rows_in_windows_lose_only_answers_that_no_window_holds_whole():
    # Of 40 tokens 4 are in every window; windows of 16 share 4 and so move on by 8: 0, 8, 16, 24.
    answers = np.array([[0, 0, 11], [0, 7, 12], [0, 9, 19], [1, 2, 3]])
    found = Lengths(np.array([40, 10]), Windows(np.array([4, 4]), 4, 4, answers))
    (at16,) = [e for e in ledger.entries(found, 16, None, PLAIN) if e.max_length == 16]
    assert found.kept(16).tolist() == [16, 16, 16, 16, 10]
    assert (at16.rows_cut, at16.windows, at16.tokens_lost) == (0.5, 2.5, 0.0)
    # Tokens 7 to 12 begin before the second window and end after the first.
    assert at16.golds_lost == 0.25


def test_padding_is_what_batches_really_waste():
    found = Lengths(np.array([2, 8, 2, 8]))
    grouped = ledger.entries(found, 8, None, BatchPlan(2, grouped=True, fixed=False, hidden=768))[-1]
    fixed = ledger.entries(found, 16, None, BatchPlan(2, grouped=True, fixed=True, hidden=768))[-1]
    assert grouped.padding == 0
    assert (fixed.max_length, fixed.padding) == (16, 1 - 20 / 64)
    assert (
        ledger.entries(found, 8, None, BatchPlan(4, grouped=False, fixed=False, hidden=768))[-1].padding == 1 - 20 / 32
    )


@given(st.lists(st.integers(1, 900), min_size=1, max_size=60), st.integers(1, 700), st.integers(1, 9), st.booleans())
def test_a_longer_length_never_loses_more_nor_costs_less(lengths, chosen, size, grouped):
    batches = BatchPlan(size, grouped=grouped, fixed=False, hidden=64)
    entries = ledger.entries(Lengths(np.array(lengths)), chosen, 512, batches)
    for one, other in itertools.pairwise(entries):
        assert other.rows_cut <= one.rows_cut
        assert other.tokens_lost <= one.tokens_lost
        assert other.time >= one.time - 1e-12
    assert next(entry.time for entry in entries if entry.max_length == chosen) == 1.0


def test_of_words_no_entity_is_lost_and_long_rows_take_windows(load, write, words):
    rows = [{"tokens": ["a"] * 30 + ["Anna", "Berg"], "tags": ["O"] * 30 + ["B-PER", "I-PER"]}] * 3
    rows.append({"tokens": ["Anna", "b"], "tags": ["B-PER", "O"]})
    write("n.jsonl", "\n".join(map(json.dumps, rows)))
    data = TokenClassificationData(train="n.jsonl", stride=0)
    found = ledger.lengths(load("token-classification", train="n.jsonl", validation="n.jsonl"), "train", words, data)
    assert found.tokens.tolist() == [34, 34, 34, 4]
    (at18,) = [e for e in ledger.entries(found, 18, None, PLAIN) if e.max_length == 18]
    assert (at18.rows_cut, at18.windows, at18.tokens_lost, at18.golds_lost) == (0.75, 1.75, 0.0, 0.0)


def test_of_contexts_it_is_known_where_answers_stand_and_what_each_window_repeats(load, write, words):
    row = {
        "question": "who is it",
        "context": "one two three four",
        "answers": {"text": ["two three"], "answer_start": [4]},
    }
    write("q.jsonl", json.dumps(row) + "\n" + json.dumps(row))
    splits = load("question-answering", train="q.jsonl", validation="q.jsonl")
    found = ledger.lengths(splits, "train", words, Data(train="q.jsonl"))
    # [CLS] who is it [SEP] one two three four [SEP]: all but the context's four are in every window.
    assert (found.tokens.tolist(), found.windows.repeated.tolist()) == ([10, 10], [6, 6])
    assert found.windows.answers.tolist() == [[0, 1, 2], [1, 1, 2]]


def test_pairs_are_read_together_and_targets_alone(load, write, words):
    write("p.csv", "premise,hypothesis,label\n" + "a b c,d e,1\nf,g,0\n" * 3)
    pairs = load(train="p.csv", validation="p.csv")
    assert ledger.lengths(pairs, "train", words, Data(train="p.csv")).tokens.tolist()[:2] == [8, 5]
    write("s.jsonl", '{"source": "a b c", "target": "d"}\n' * 3)
    texts = load("seq2seq", train="s.jsonl", validation="s.jsonl")
    assert ledger.lengths(texts, "train", words, Data(train="s.jsonl"), "text").tokens.tolist() == [5, 5, 5]
    assert ledger.lengths(texts, "train", words, Data(train="s.jsonl"), "target").tokens.tolist() == [3, 3, 3]


def test_a_large_split_is_sampled_evenly_and_lines_have_no_rows(load, write, words):
    assert len(ledger.sample(1_000_000, 100)) == ledger.SAMPLE
    assert ledger.sample(10, 1).tolist() == list(range(10))
    assert len(ledger.sample(1_000, 10_000_000)) == 1
    write("a.txt", "one\ntwo\n" * 20)
    assert ledger.lengths(load("causal-lm", train="a.txt"), "train", words, Data(train="a.txt")) is None
