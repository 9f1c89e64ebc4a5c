"""Scores of answers are those of the official SQuAD scripts, and read Chinese by the character."""

from __future__ import annotations

import collections
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.metrics.catalog import of_task
from workbench.metrics.exact_match import Answers, best, exact, f1_of, normalize

# -- the official evaluation of SQuAD 2.0, step by step as its script and its paper say -----------------------------


def official_tokens(text):
    text = "".join(char for char in text.lower() if char not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", text, flags=re.UNICODE).split()


def official_f1(gold, predicted):
    gold, predicted = official_tokens(gold), official_tokens(predicted)
    if not gold or not predicted:
        return float(gold == predicted)
    same = sum((collections.Counter(gold) & collections.Counter(predicted)).values())
    if not same:
        return 0.0
    precision, recall = same / len(predicted), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def official(questions):
    """Questions are (text, doubt, golds); figures in per cent, as the script prints them."""
    exacts, f1s = [], []
    for text, _, golds in questions:
        golds = [gold for gold in golds if official_tokens(gold)] or [""]
        exacts.append(max(float(official_tokens(gold) == official_tokens(text)) for gold in golds))
        f1s.append(max(official_f1(gold, text) for gold in golds))
    found = {"exact_match": 100 * sum(exacts) / len(exacts), "f1": 100 * sum(f1s) / len(f1s)}
    for name, wanted in (("has_answer", True), ("no_answer", False)):
        places = [place for place, question in enumerate(questions) if bool(question[2]) is wanted]
        if places:
            found[f"exact_match_{name}"] = 100 * sum(exacts[place] for place in places) / len(places)
            found[f"f1_{name}"] = 100 * sum(f1s[place] for place in places) / len(places)
    if all(golds for _, _, golds in questions):
        return found
    # Every threshold tried one question at a time, from none answered on.
    score = highest = sum(not golds for _, _, golds in questions)
    found["best_f1_threshold"] = 0.0
    for place in sorted(range(len(questions)), key=lambda place: questions[place][1]):
        text, doubt, golds = questions[place]
        score += f1s[place] if golds else (-1 if text else 0)
        if score > highest:
            highest, found["best_f1_threshold"] = score, doubt
    found["best_f1"] = 100 * highest / len(questions)
    return found


WORDS = ["the", "The", "a", "an", "Denver", "denver,", "Broncos", "U.S.", "--", "of", "theory", "24", "\t", "é", "…"]
texts = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
questions = st.lists(st.tuples(texts, st.floats(0, 1), st.lists(texts, max_size=3)), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(questions)
def test_they_equal_the_official_script(asked):
    found = Answers().compute(
        predictions=[{"text": text, "no_answer_probability": doubt} for text, doubt, _ in asked],
        references=[golds for _, _, golds in asked],
    )
    expected = official(asked)
    assert found["scalars"].keys() == expected.keys()
    for name, value in expected.items():
        assert found["scalars"][name] == pytest.approx(value if name.endswith("threshold") else value / 100), name
    assert found["scalars"].keys() | set(found["undefined"]) == of_task("question-answering").keys() - {"loss"}


def test_what_the_official_normalisation_passes_over():
    assert normalize("  The  Denver\nBroncos! ") == "denver broncos"
    assert exact("an apple.", "Apple") == 1.0
    assert exact("theory", "ory") == 0.0, "an article is a whole word"
    assert f1_of("Denver Broncos won", "the Broncos") == pytest.approx(0.5)


def test_the_nearest_of_several_gold_answers_counts():
    assert best("in 1998", ["1998", "the year 1998"]) == (0.0, pytest.approx(2 / 3))


def test_a_question_without_an_answer_is_answered_by_saying_nothing():
    assert best("", []) == (1.0, 1.0)
    assert best("Denver", []) == (0.0, 0.0)
    assert best("", ["Denver"]) == (0.0, 0.0)


def evaluated(*asked, characters=False):
    return Answers().compute(
        predictions=[{"text": text, "no_answer_probability": doubt} for text, doubt, _ in asked],
        references=[golds for _, _, golds in asked],
        characters=characters,
    )


def test_where_each_question_has_an_answer_there_is_nothing_to_say_of_the_others():
    found = evaluated(("Denver", 0.1, ["Denver"]))
    assert set(found["undefined"]) == {"exact_match_no_answer", "f1_no_answer", "best_f1", "best_f1_threshold"}
    assert {"has_answer": 1, "no_answer": 0, "characters": False}.items() <= found["report"].items()


def test_the_best_threshold_keeps_quiet_where_the_doubt_is_great():
    found = evaluated(("Denver", 0.2, ["Denver"]), ("Paris", 0.9, []), ("Rome", 0.4, ["Rome"]))
    assert found["scalars"]["f1"] == pytest.approx(2 / 3)
    assert found["scalars"]["best_f1"] == 1.0
    assert found["scalars"]["best_f1_threshold"] == 0.4


def test_a_doubt_that_is_no_number_leaves_the_threshold_undefined():
    found = evaluated(("x", float("nan"), []))
    assert {"best_f1", "best_f1_threshold"} <= set(found["undefined"])
    assert found["scalars"]["f1"] == 0.0


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("《红楼梦》的作者，是曹雪芹。", "红 楼 梦 的 作 者 是 曹 雪 芹"),
        ("Python 3的GIL", "python 3 的 gil"),
        ("１９９８年～（约）", "１９９８ 年 约"),
        ("A股 the market", "a 股 the market"),
    ],
)
def test_chinese_is_read_by_the_character_and_other_words_whole(text, tokens):
    assert normalize(text, characters=True) == tokens


def test_a_chinese_answer_in_part_is_right_in_part():
    found = evaluated(("作者曹雪芹", 0.0, ["曹雪芹。"]), ("北京", 0.0, ["北京"]), characters=True)["scalars"]
    assert found["f1"] == pytest.approx((2 * 3 / (5 + 3) + 1) / 2)
    assert found["exact_match"] == 0.5
    assert f1_of("作者曹雪芹", "曹雪芹") == 0.0, "by words it is one word, and another"


def test_no_answers_cannot_be_judged():
    with pytest.raises(ValueError, match="no answers"):
        Answers().compute(predictions=[], references=[])
