"""Entities found and missed: precision, recall and F1 over whole entities, as seqeval counts them.

An entity is found where type, first and last place all agree (Tjong Kim Sang and De Meulder 2003, CoNLL-2003). Plain
`precision`, `recall` and `f1` are micro, over all entities; `f1_macro` is the mean over the types where F1 is
defined. A ratio that divides by nothing is 0, as in seqeval. The entities of tokens that the model never saw are missed
by it: `recall_all` and `f1_all` count them too.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

import datasets
import evaluate
import numpy as np

from workbench.contracts.coding import encode
from workbench.contracts.events.eval_event import ClassScores
from workbench.metrics.base import InMemoryMetric, Measured, outcome
from workbench.metrics.confusion import macro, ratio
from workbench.metrics.entities import Scheme, Span, spans
from workbench.metrics.intervals import F1, ClassMean, Found, Measure, Share, Values, of_rows

Missed = Mapping[str, int] | Iterable[tuple[str, int]]


class Entities(InMemoryMetric):
    """`compute(predictions=[[tag, …], …], references=[[tag, …], …], missed={type: gold entities never seen})`.

    `missed` may be pairs as well. Gives `{"scalars", "undefined", "report": {per_class, seen, gold}}`,
    where `seen` and `gold` count gold entities, `gold` with the missed ones; a class's `support` is of those seen,
    `missed` of the others. Of `types`, those that never occur are in `per_class` too. Raises ValueError on no
    tokens at all and on rows of unlike length, BadInput for a tag that is none of the scheme.
    """

    WHOLE: ClassVar[tuple[str, ...]] = ()

    def __init__(self, types: Sequence[str] = (), *, scheme: Scheme = "bio", **options: object) -> None:
        self.types, self.scheme = tuple(types), scheme
        super().__init__(**options)

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation="",
            inputs_description=str(type(self).__doc__),
            features=datasets.Features({"predictions": tags, "references": tags}),
        )

    def _compute(
        self, predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], missed: Missed = ()
    ) -> Measured:
        pairs = list(zip(predictions, references, strict=True))
        tokens = sum(len(truth) for _, truth in pairs)
        if not tokens:
            raise ValueError("there are no tokens to evaluate")
        if any(len(predicted) != len(truth) for predicted, truth in pairs):
            raise ValueError("each row has as many predictions as references")
        rows = [(set(spans(predicted, self.scheme)), set(spans(truth, self.scheme))) for predicted, truth in pairs]
        right = [sum(one == other for one, other in zip(predicted, truth, strict=True)) for predicted, truth in pairs]
        tally = self._tally(rows, missed)
        words = np.array([(hits, len(truth)) for hits, (_, truth) in zip(right, pairs, strict=True)], np.float64)
        values, defined = tally.ratios()
        values["token_accuracy"] = sum(right) / tokens
        return outcome(values, tally.report(self.types), tally.intervals(rows, words), defined)

    def _tally(self, rows: Iterable[tuple[set[Span], set[Span]]], missed: Missed) -> Tally:
        found, predicted, gold = Counter[str](), Counter[str](), Counter[str]()
        for guessed, true in rows:
            found.update(type_ for type_, _, _ in guessed & true)
            predicted.update(type_ for type_, _, _ in guessed)
            gold.update(type_ for type_, _, _ in true)
        unseen = Counter[str]()
        for type_, count in missed.items() if isinstance(missed, Mapping) else missed:
            unseen[type_] += count
        return Tally(found, predicted, gold, unseen)


@dataclasses.dataclass(frozen=True)
class Tally:
    """Entities of each type: found, predicted, gold where the model saw them, and gold where it did not."""

    found: Counter[str]
    predicted: Counter[str]
    gold: Counter[str]
    missed: Counter[str]

    def ratios(self) -> tuple[dict[str, float | None], dict[str, float | None]]:
        """Each ratio, 0 where it divides by nothing; and those in which something does, without that."""
        found, predicted, gold = self.found.total(), self.predicted.total(), self.gold.total()
        everything, each = gold + self.missed.total(), [self._entry(type_) for type_ in self._types()]
        known = {
            "precision": ratio(found, predicted),
            "recall": ratio(found, gold),
            "f1": ratio(2 * found, predicted + gold),
            "recall_all": ratio(found, everything),
            "f1_all": ratio(2 * found, predicted + everything),
        }
        values = {name: value or 0.0 for name, value in known.items()} | {"f1_macro": macro(each).f1}
        return values, {name: None for name, value in known.items() if value is None}

    def intervals(self, rows: Sequence[tuple[set[Span], set[Span]]], words: Values) -> dict[str, Found]:
        """`words` is [rows, 2]: words that are right, and all. What was never seen is missed in each draw alike."""
        types = {type_: place for place, type_ in enumerate(self._types())}
        sides = [_by_type(each, types) for each in zip(*((one & two, one, two) for one, two in rows), strict=True)]
        sums = np.stack([side.sum(axis=1) for side in sides], axis=1)
        missed = np.full(len(words), self.missed.total() / len(words))
        parts = np.concatenate([sums, words, (sums[:, 2] + missed)[:, np.newaxis], *sides], axis=1)
        measures: dict[str, Measure] = {
            "precision": Share(0, 1),
            "recall": Share(0, 2),
            "f1": F1(0, 1, 2),
            "token_accuracy": Share(3, 4),
            "recall_all": Share(0, 5),
            "f1_all": F1(0, 1, 5),
            **({"f1_macro": ClassMean("f1", 6, len(types))} if types else {}),
        }
        return of_rows(parts, measures)

    def report(self, types: Sequence[str]) -> dict[str, object]:
        listed = [*types, *(type_ for type_ in self._types() if type_ not in types)]
        gold = self.gold.total()
        return {
            "per_class": [encode(self._entry(type_)) for type_ in listed],
            "seen": gold,
            "gold": gold + self.missed.total(),
        }

    def _types(self) -> list[str]:
        return sorted(self.predicted.keys() | self.gold.keys() | self.missed.keys())

    def _entry(self, type_: str) -> ClassScores:
        found, predicted, gold = self.found[type_], self.predicted[type_], self.gold[type_]
        # Specificity would need a count of the entities that are rightly not predicted: there is none.
        return ClassScores(
            label=type_,
            support=gold,
            precision=ratio(found, predicted),
            recall=ratio(found, gold),
            specificity=None,
            f1=ratio(2 * found, predicted + gold),
            missed=self.missed[type_],
        )


def _by_type(rows: Sequence[set[Span]], types: Mapping[str, int]) -> Values:
    """How many entities of each type stand in each row, [rows, types]."""
    many = len(types)
    found = [row * many + types[type_] for row, entities in enumerate(rows) for type_, _, _ in entities]
    flat = np.array(found, np.int64)
    counted = np.bincount(flat, minlength=len(rows) * len(types))
    return counted.reshape(len(rows), len(types)).astype(np.float64)
