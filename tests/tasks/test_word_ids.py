"""Texts read by their words give the ids that the tokenizer gives, to the last one."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE, Unigram, WordLevel

from workbench.data.cache import word_ids
from workbench.data.cache.word_ids import WordIds
from workbench.models.locate import minilm_directory
from workbench.models.weights import open_tokenizer, train_bpe
from workbench.tasks.shared import encoding, text_pairs
from workbench.tasks.shared.encoding import TokenIds, encode

_ODD = [" ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u2009", " \n ", "\u0301", "\u200b", "\x00", "\ufffd"]
_PARTS = [
    "the",
    "film",
    "don't",
    "it's",
    "naïve",
    "这部",
    "電影",
    "3.14",
    "(well)",
    "!!",
    "[SEP]",
    "[MASK]",
    "<mask>",
    "é",
]
texts = st.lists(
    st.lists(st.sampled_from([*_PARTS, *_ODD]) | st.text(max_size=5), max_size=12).map("".join), min_size=1, max_size=8
)


@functools.cache
def minilm():
    return open_tokenizer(minilm_directory())


@functools.cache
def bpe(*, prefix_space=False, mask=False):
    tokenizer = train_bpe(["the film was good, it's a naïve film", "这部电影很好看 3.14 (well) !!"] * 5, 400)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    if mask:
        tokenizer.add_special_tokens({"mask_token": AddedToken("<mask>", lstrip=True, special=True)})
    return tokenizer


@functools.cache
def qwen():
    inner = Tokenizer.from_str(bpe().backend_tokenizer.to_str())
    pattern = next(pattern for pattern in word_ids._WORD_PATTERNS if r"{1,3}" not in pattern)
    inner.normalizer = normalizers.NFC()
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return inner


@functools.cache
def backend(name):
    if name == "qwen":
        return qwen()
    made = {"minilm": minilm, "bpe": bpe, "spaced": lambda: bpe(prefix_space=True), "mask": lambda: bpe(mask=True)}
    inner = Tokenizer.from_str(made[name]().backend_tokenizer.to_str())
    inner.no_truncation()
    inner.no_padding()
    return inner


@pytest.mark.parametrize("name", ["minilm", "bpe", "mask", "qwen"])
@settings(deadline=None, max_examples=40)
@given(texts)
def test_any_text_has_the_ids_of_its_words(name, texts):
    tokenizer = backend(name)
    words = WordIds.of(tokenizer)
    assert words is not None
    for _ in range(2):  # the words are known the second time
        ids, bounds = words.encode(pa.array(texts, pa.string()))
        found = [ids[start:stop].tolist() for start, stop in itertools.pairwise(bounds)]
        assert found == [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def test_a_tokenizer_that_reads_across_spaces_is_left_to_itself():
    across = Tokenizer(BPE())
    assert WordIds.of(across) is None  # no pre-tokenizer: merges may go over a space
    across.pre_tokenizer = pre_tokenizers.ByteLevel(use_regex=False)
    assert WordIds.of(across) is None
    pieces = Tokenizer(Unigram([("a", -1.0), ("▁", -1.0)], 0))
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    assert WordIds.of(pieces) is None
    dropped = Tokenizer.from_str(backend("bpe").to_str())
    dropped.model.dropout = 0.1
    assert WordIds.of(dropped) is None
    phrases = Tokenizer.from_str(backend("bpe").to_str())
    phrases.add_tokens(["New York"])
    assert WordIds.of(phrases) is None
    changed = Tokenizer(WordLevel({"a": 0, "b": 1}, "a"))
    changed.pre_tokenizer = pre_tokenizers.Whitespace()
    changed.normalizer = normalizers.Replace(Regex("a b"), "b")
    assert WordIds.of(changed) is None


def test_words_are_forgotten_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(word_ids, "_KNOWN", 3)
    tokenizer = backend("minilm")
    words = WordIds.of(tokenizer)
    for text in ("one two three four", "five six one", "seven eight nine ten one", "one"):
        assert words.encode(pa.array([text]))[0].tolist() == tokenizer.encode(text, add_special_tokens=False).ids


@functools.cache
def words_of(make):
    return encoding._Alone(make(), 64).words()


def same(told: TokenIds, found: TokenIds) -> None:
    assert told.lengths.tolist() == found.lengths.tolist()
    assert told.ids.tolist() == found.ids.tolist()
    assert told.cut == found.cut
    assert (told.segments is None) == (found.segments is None)
    assert told.segments is None or told.segments.tolist() == found.segments.tolist()


@pytest.mark.parametrize("make", [minilm, bpe])
@pytest.mark.parametrize("side", ["right", "left"])
@settings(deadline=None, max_examples=40)
@given(texts, st.integers(4, 20))
def test_texts_that_are_cut_are_cut_alike(make, side, texts, length):
    tokenizer = make()
    tokenizer.truncation_side = side
    try:
        alone = encoding._Alone(tokenizer, length)
        same(alone.by_tokenizer(texts), alone.by_words(words_of(make), pa.array(texts, pa.string())))
    finally:
        tokenizer.truncation_side = "right"


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("make", [minilm, bpe])
@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=30), st.sampled_from(_PARTS).map(lambda part: f"{part} " * 6)), min_size=1))
def test_pairs_that_are_cut_are_cut_alike(make, typed, rows):
    first, second = map(list, zip(*rows, strict=True))
    for length in (7, 8, 12, 40):
        pairs = text_pairs._Pairs(make(), length, typed)
        words = words_of(make)
        for one, other in ((first, second), (second, first)):
            same(pairs.by_tokenizer(one, other), pairs.by_words(words, pa.array(one), pa.array(other)))


def test_many_texts_are_read_by_their_words_and_few_are_not(monkeypatch):
    calls = []
    by_words = encoding._Alone.by_words
    monkeypatch.setattr(encoding._Alone, "by_words", lambda *given: calls.append(1) or by_words(*given))
    many = [f"the film number {number} was good" for number in range(2500)]
    rows, cut = encode(minilm(), many, 6)
    assert calls
    assert (rows, cut) == (minilm()(many, truncation=True, max_length=6)["input_ids"], 2500)
    calls.clear()
    assert encode(minilm(), many[:10], 6)[0] == rows[:10]
    assert not calls


def test_where_words_and_tokenizer_differ_the_tokenizer_is_right(monkeypatch):
    encode_words = WordIds.encode

    def wrong(self, texts):
        ids, bounds = encode_words(self, texts)
        return np.where(ids == minilm().convert_tokens_to_ids("good"), 1, ids).astype(np.int32), bounds

    monkeypatch.setattr(WordIds, "encode", wrong)
    many = [f"number {number}" for number in range(20_000)]
    many[12_000:] = ["good"] * 8_000  # the first piece shows nothing of it
    rows, _ = encode(minilm(), many, 64)
    assert rows == minilm()(many)["input_ids"]


def test_half_a_surrogate_pair_among_many_texts_is_the_tokenizers_to_refuse():
    many = ["good"] * 2500
    assert len(encode(minilm(), [*many, "é" * 3], 64)[0]) == 2501
    with pytest.raises((TypeError, UnicodeEncodeError)):
        encode(minilm(), [*many, "\ud800"], 64)
