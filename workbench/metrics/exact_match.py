"""Answers taken from a context: exact match and F1 of SQuAD, v1 and v2.

As in the official scripts (Rajpurkar et al. 2016 and 2018): answers are compared without case, punctuation, articles
and spare white space; F1 is over the bag of tokens; of several gold answers the nearest counts; a question without an
answer is answered rightly by saying nothing.

By characters, for Chinese, tokens are those of CMRC 2018's mixed segmentation (Cui et al. 2019): each character of a
script without spaces is one, other words are whole, and punctuation of either script is removed. CMRC's own F1 is
over the longest run of tokens in common; here it is over the bag, as in SQuAD, so that one definition holds for both.
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import datasets
import evaluate
import numpy as np

from workbench.metrics import intervals
from workbench.metrics.base import InMemoryMetric, Measured, outcome
from workbench.metrics.confusion import ratio
from workbench.metrics.intervals import Found

_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")
# Kana, Han (with its extensions), and what is compatible with Han.
_UNSPACED: Final = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")
_FULL_WIDTH: Final = frozenset(chr(ord(mark) + 0xFEE0) for mark in string.punctuation)


class Answers(InMemoryMetric):
    """`compute(predictions=[{"text", "no_answer_probability"}], references=[[gold, …]], characters=False)`.

    A question without gold answers has none. `exact_match` and `f1` are shares, 0 to 1. `best_f1` is the F1 with the
    best threshold on `no_answer_probability`, above which nothing is answered; it and `best_f1_threshold` are there
    where some question has no answer and the probabilities are numbers. Gives `{"scalars", "undefined", "report":
    {has_answer, no_answer, characters}}`. Raises ValueError on no rows at all.
    """

    WHOLE: ClassVar[tuple[str, ...]] = ()

    def _info(self) -> evaluate.MetricInfo:
        features = {
            "predictions": {
                "text": datasets.Value("string"),
                "no_answer_probability": datasets.Value("float64"),
            },
            "references": datasets.Sequence(datasets.Value("string")),
        }
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation="",
            inputs_description=str(type(self).__doc__),
            features=datasets.Features(features),
        )

    def _compute(
        self, predictions: Sequence[Mapping[str, Any]], references: Sequence[Sequence[str]], characters: bool = False
    ) -> Measured:
        texts = [prediction["text"] for prediction in predictions]
        if not texts:
            raise ValueError("there are no answers to evaluate")
        scores = [best(text, gold, characters=characters) for text, gold in zip(texts, references, strict=True)]
        there = [bool(gold) for gold in references]
        doubts = [float(prediction["no_answer_probability"]) for prediction in predictions]
        found = best_threshold([f1 for _, f1 in scores], list(map(bool, texts)), there, doubts)
        report = {
            "has_answer": sum(there),
            "no_answer": len(there) - sum(there),
            "characters": characters,
        }
        values = _means(scores, there) | dict(zip(("best_f1", "best_f1_threshold"), found, strict=True))
        return outcome(values, report, _intervals(scores, there))


def _means(scores: Sequence[tuple[float, float]], there: Sequence[bool]) -> dict[str, float | None]:
    rows = {
        "": scores,
        "_has_answer": [score for score, has in zip(scores, there, strict=True) if has],
        "_no_answer": [score for score, has in zip(scores, there, strict=True) if not has],
    }
    return {
        f"{name}{ending}": ratio(math.fsum(score[place] for score in some), len(some))
        for ending, some in rows.items()
        for place, name in enumerate(("exact_match", "f1"))
    }


def _intervals(scores: Sequence[tuple[float, float]], there: Sequence[bool]) -> dict[str, Found]:
    """Of all questions, of those that have an answer, and of the others."""
    has = np.asarray(there, dtype=np.float64)[:, np.newaxis]
    both = np.asarray(scores, dtype=np.float64)
    rows = np.concatenate(
        [part for of in (np.ones_like(has), has, 1 - has) for part in (of, of * both)], axis=1
    )  # fmt: skip
    measures = {
        f"{name}{ending}": intervals.Share(3 * block + 1 + place, 3 * block)
        for block, ending in enumerate(("", "_has_answer", "_no_answer"))
        for place, name in enumerate(("exact_match", "f1"))
        if rows[:, 3 * block].any()
    }
    chosen = {"best_f1": intervals.CHOSEN, "best_f1_threshold": intervals.SETTING}
    return intervals.of_rows(rows, measures) | chosen


def normalize(text: str, *, characters: bool = False) -> str:
    """The text as it is compared: its tokens, with a space between."""
    text = text.lower()
    if characters:
        return " ".join(_UNSPACED.sub(r" \1 ", "".join(char for char in text if not _is_punctuation(char))).split())
    return " ".join(_ARTICLES.sub(" ", text.translate(_PUNCTUATION)).split())


def _is_punctuation(char: str) -> bool:
    return char in string.punctuation or char in _FULL_WIDTH or unicodedata.category(char).startswith("P")


def exact(prediction: str, gold: str, *, characters: bool = False) -> float:
    """1 where both are the same once normalised, else 0."""
    return float(normalize(prediction, characters=characters) == normalize(gold, characters=characters))


def f1_of(prediction: str, gold: str, *, characters: bool = False) -> float:
    """F1 of the tokens of an answer; where either has none, 1 if the other has none too."""
    predicted, true = (normalize(text, characters=characters).split() for text in (prediction, gold))
    if not predicted or not true:
        return float(predicted == true)
    same = (Counter(predicted) & Counter(true)).total()
    return 2 * same / (len(predicted) + len(true))


def best(prediction: str, golds: Sequence[str], *, characters: bool = False) -> tuple[float, float]:
    """Exact match and F1 of one question, each against the gold answer that is nearest.

    Gold answers of nothing but punctuation and articles do not count; without any, the answer is to say nothing.
    """
    real = [gold for gold in golds if normalize(gold, characters=characters)] or [""]
    return (
        max(exact(prediction, gold, characters=characters) for gold in real),
        max(f1_of(prediction, gold, characters=characters) for gold in real),
    )


def best_threshold(
    scores: Sequence[float], answered: Sequence[bool], there: Sequence[bool], doubts: Sequence[float]
) -> tuple[float | None, float | None]:
    """The best mean score, and the threshold on the probability of no answer that gives it (SQuAD v2's script).

    From answering no question, questions are answered in the order of their doubts: an answer brings its score, and
    to answer a question that has none costs 1. None where each question has an answer, or a doubt is no number.
    """
    if all(there) or not all(map(math.isfinite, doubts)):
        return None, None
    total = best_total = float(len(there) - sum(there))
    threshold = 0.0
    for row in sorted(range(len(doubts)), key=doubts.__getitem__):
        total += scores[row] if there[row] else -float(answered[row])
        if total > best_total:
            best_total, threshold = total, doubts[row]
    return best_total / len(scores), threshold
