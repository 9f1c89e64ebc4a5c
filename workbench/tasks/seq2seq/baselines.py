"""Texts written without a model: the text itself, and its first sentence."""

from __future__ import annotations

from typing import Final

from workbench.tasks.interface import Baselines
from workbench.tasks.seq2seq.data import PreparedPairs
from workbench.tasks.shared.first_sentence import first_sentence

_MOST: Final = 2_000_000  # characters of all texts: ROUGE of long copies takes longer than the evaluation


def baselines(prepared: PreparedPairs, split: str) -> Baselines:
    """By name the figures of each on a split; nothing where the recipe has no targets written."""
    if not prepared.recipe.evaluate.generate:
        return {}
    from workbench.metrics.texts import Texts

    texts: list[str] = prepared.splits.texts(split).to_pylist()
    gold: list[str] = prepared.splits.texts(split, "target").to_pylist()
    written = {"copy": texts, "first sentence": list(map(first_sentence, texts))}
    metric = Texts(language=prepared.recipe.data.target_language)
    return {
        name: metric.compute(predictions=given, references=gold)["scalars"]
        for name, given in written.items()
        if sum(map(len, given)) <= _MOST
    }
