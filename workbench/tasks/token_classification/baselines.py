"""Tags by the word alone: each word has the tag it most often has in train, an unknown one the commonest of all."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np

from workbench.tasks.interface import Baselines
from workbench.tasks.token_classification.data import PreparedWords


def baselines(prepared: PreparedWords, split: str) -> Baselines:
    """The figures of the unigram tagger of train on a split."""
    from workbench.data.tables import tagged

    words = {name: tagged.words(prepared.splits, name).flat.to_pylist() for name in ("train", split)}
    gold: dict[str, list[int]] = {name: prepared.own.aligned[name].gold.tolist() for name in words}
    usual = Counter(gold["train"]).most_common(1)[0][0]
    by_word: dict[str | None, int] = {}
    # The commonest pair of a word comes last, and stays.
    for (word, tag), _ in reversed(Counter(zip(words["train"], gold["train"], strict=True)).most_common()):
        by_word[word] = tag
    predicted: list[int] = [by_word.get(word, usual) for word in words[split]]
    accuracy = float(np.mean(np.equal(predicted, gold[split])))
    if not prepared.own.tagset.spells_entities:
        return {"unigram": {"token_accuracy": accuracy}}
    return {"unigram": _entities(prepared, split, predicted, gold[split])}


def _entities(prepared: PreparedWords, split: str, predicted: list[int], gold: list[int]) -> dict[str, float]:
    from workbench.metrics.tagging import Entities

    tagset, names = prepared.own.tagset, prepared.own.tagset.canonical
    bounds = list(itertools.pairwise(prepared.own.aligned[split].offsets.tolist()))
    both = ([[names[tag] for tag in tags[start:end]] for start, end in bounds] for tags in (predicted, gold))
    given, true = both
    found: dict[str, float] = Entities(tagset.types, scheme=tagset.scheme).compute(predictions=given, references=true)[
        "scalars"
    ]
    return found
