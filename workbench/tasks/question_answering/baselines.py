"""Answers without reading the question: none, and the first sentence of the context."""

from __future__ import annotations

import numpy as np

from workbench.tasks.interface import Baselines
from workbench.tasks.question_answering.data import PreparedQuestions
from workbench.tasks.shared.first_sentence import first_sentence


def baselines(prepared: PreparedQuestions, split: str) -> Baselines:
    """By name the exact match and F1 of each on a split."""
    from workbench.data.tables import answer_spans
    from workbench.metrics.exact_match import best

    golds = answer_spans.read(prepared.splits, split).golds
    characters = answer_spans.by_character(golds)
    contexts = prepared.splits.texts(split, "context").to_pylist()
    given = {"empty answer": [""] * len(golds), "first sentence": list(map(first_sentence, contexts))}
    found = {}
    for name, texts in given.items():
        scores = np.array([best(text, gold, characters=characters) for text, gold in zip(texts, golds, strict=True)])
        found[name] = dict(zip(("exact_match", "f1"), scores.mean(axis=0).tolist(), strict=True))
    return found
