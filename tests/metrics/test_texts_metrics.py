"""Measures of texts are rouge-score's and sacrebleu's, read Chinese, and need no network."""

from __future__ import annotations

import importlib.util
import socket

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from workbench.metrics.catalog import of_task
from workbench.metrics.texts import Texts

ROUGE = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
ENGLISH = ["the", "The", "cat", "sat", "on", "mat.", "dog's", "a", "café", "U.S.", "3.14", "\n"]
CHINESE = list("我们在北京大学学习语言模型，。")


def pairs(vocabulary, between):
    text = st.lists(st.sampled_from(vocabulary), max_size=14).map(between.join)
    return st.lists(st.tuples(text, text), min_size=1, max_size=5)


def split(rows):
    return [one for one, _ in rows], [other for _, other in rows]


@settings(max_examples=30, deadline=None)
@given(pairs(ENGLISH, " "))
def test_english_equals_rouge_score_and_sacrebleu(rows):
    written, gold = split([*rows, ("the cat sat on it", "the cat sat on the mat")])
    found = Texts(language="en").compute(predictions=written, references=gold)
    assert found["scalars"].keys() | set(found["undefined"]) == of_task("seq2seq").keys() - {"loss"}
    scorer = RougeScorer(ROUGE)
    scores = [
        scorer.score(other, one) for one, other in zip(written, gold, strict=True) if scorer._tokenizer.tokenize(other)
    ]
    for name in ROUGE:
        assert found["scalars"][name] == pytest.approx(np.mean([score[name].fmeasure for score in scores])), name
    assert found["report"]["empty_references"] == len(gold) - len(scores)
    assert found["scalars"]["bleu"] == pytest.approx(sacrebleu.corpus_bleu(written, [gold]).score)
    assert found["scalars"]["chrf"] == pytest.approx(sacrebleu.corpus_chrf(written, [gold]).score)


@settings(max_examples=30, deadline=None)
@given(pairs(CHINESE, ""))
def test_chinese_is_read_by_the_character(rows):
    written, gold = split([*rows, ("我们学习语言模型", "我们在学习语言")])
    found = Texts().compute(predictions=written, references=gold)
    # With a number for each character rouge-score itself reads nothing but characters.
    spelt = [[" ".join(f"u{ord(c)}" for c in text if c not in "，。") for text in side] for side in (written, gold)]
    scores = [RougeScorer(ROUGE).score(other, one) for one, other in zip(*spelt, strict=True) if other]
    for name in ROUGE:
        assert found["scalars"][name] == pytest.approx(np.mean([score[name].fmeasure for score in scores])), name
    assert found["scalars"]["bleu"] == pytest.approx(sacrebleu.corpus_bleu(written, [gold], tokenize="zh").score)
    assert (found["report"]["tokenize"], found["report"]["length_in"]) == ("zh", "characters")


def test_the_same_text_is_as_good_as_can_be():
    text = ["one two three four", "five six seven eight nine"]
    found = Texts().compute(predictions=text, references=text)["scalars"]
    assert [found[name] for name in (*ROUGE, "exact_match", "length_ratio")] == [1.0] * 6
    assert (found["bleu"], found["chrf"]) == (pytest.approx(100), pytest.approx(100))
    assert found["length"] == 4.5


def test_saying_nothing_is_worth_nothing():
    found = Texts().compute(predictions=["", " "], references=["one two three four five", "six"])
    assert {found["scalars"][name] for name in (*ROUGE, "bleu", "chrf", "exact_match", "length")} == {0.0}
    assert found["report"]["empty_predictions"] == 2


def test_an_empty_reference_has_no_rouge_and_is_counted():
    found = Texts().compute(predictions=["one two three four", "word"], references=["one two three four", ""])
    assert found["scalars"]["rouge1"] == 1.0
    assert found["report"]["empty_references"] == 1
    assert found["scalars"]["exact_match"] == 0.5


def test_without_any_reference_only_length_and_sameness_have_a_figure():
    found = Texts().compute(predictions=["x"], references=[""])
    assert found["scalars"] == {"exact_match": 0.0, "length": 1.0}
    assert set(found["undefined"]) == {*ROUGE, "bleu", "chrf", "length_ratio"}


def test_bleu_of_references_too_short_for_it_is_undefined_and_not_nought():
    found = Texts().compute(predictions=["two words"], references=["two words"])
    assert found["undefined"] == ["bleu"]


def test_words_of_other_scripts_are_not_passed_over():
    found = Texts().compute(predictions=["Привет, большой мир"], references=["Привет, мир"])
    assert found["scalars"]["rouge1"] == pytest.approx(0.8)
    assert found["report"]["rouge_tokens"] == "words"


@pytest.mark.parametrize("language", ["zh_CN", "zho_Hans", "ZH", "cmn"])
def test_the_language_says_how_texts_are_read(language):
    found = Texts(language=language).compute(predictions=["a b c d e"], references=["a b c d e"])
    assert found["report"]["tokenize"] == "zh"


def test_japanese_without_mecab_is_read_by_the_character_and_that_is_noted(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    report = Texts().compute(predictions=["きょうはいい"], references=["きょうはいい天気"])["report"]
    assert report["tokenize"] == "char"
    assert "MeCab is not installed" in report["tokenize_note"]
    assert "tok:char" in report["bleu_signature"]


def test_a_tokenizer_that_is_asked_for_is_taken():
    report = Texts(tokenize="intl").compute(predictions=["a b c d"], references=["a b c d"])["report"]
    assert "tok:intl" in report["bleu_signature"]


def test_nothing_is_fetched(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    Texts().compute(predictions=["one. two.\nthree"], references=["one. two three four"])
    Texts().compute(predictions=["语言模型"], references=["语言模型好"])
    with pytest.raises(ValueError, match="network"):
        Texts(tokenize="flores200")


def test_no_texts_cannot_be_judged():
    with pytest.raises(ValueError, match="no texts"):
        Texts().compute(predictions=[], references=[])
