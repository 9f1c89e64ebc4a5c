"""Entities found and missed: precision, recall and F1 over whole entities, as seqeval counts them.

An entity is found where type, first and last place all agree (Tjong Kim Sang and De Meulder 2003, CoNLL-2003). Plain
`precision`, `recall` and `f1` are micro, over all entities; `f1_macro` is the mean over the types where F1 is
defined. The entities of tokens that the model never saw are missed by it: `recall_all` and `f1_all` count them too.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final

import datasets
import evaluate

from workbench.contracts.coding import encode
from workbench.contracts.events.eval_event import ClassScores
from workbench.metrics import intervals
from workbench.metrics.base import InMemoryMetric, Measured, outcome
from workbench.metrics.confusion import macro, ratio
from workbench.metrics.entities import Scheme, Span, spans

Missed = Mapping[str, int] | Iterable[tuple[str, int]]
# Of sums over rows of entities found, predicted and gold, and of tokens right and all.
_MEASURES: Final[Mapping[str, intervals.Measure]] = {
    "precision": intervals.share(0, 1),
    "recall": intervals.share(0, 2),
    "f1": lambda sums: intervals.ratio(2 * sums[:, 0], sums[:, 1] + sums[:, 2]),
    "token_accuracy": intervals.share(3, 4),
}


class Entities(InMemoryMetric):
    """`compute(predictions=[[tag, …], …], references=[[tag, …], …], missed={type: gold entities never seen})`.

    `missed` may be pairs as well. Gives `{"scalars", "undefined", "report": {per_class, seen, gold, intervals}}`,
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
        counts = [
            (len(guessed & true), len(guessed), len(true), hits, len(truth))
            for (guessed, true), hits, (_, truth) in zip(rows, right, pairs, strict=True)
        ]
        report = tally.report(self.types) | {"intervals": intervals.of_rows(counts, _MEASURES)}
        return outcome(tally.ratios() | {"token_accuracy": sum(right) / tokens}, report)

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

    def ratios(self) -> dict[str, float | None]:
        found, predicted, gold = self.found.total(), self.predicted.total(), self.gold.total()
        everything = gold + self.missed.total()
        return {
            "precision": ratio(found, predicted),
            "recall": ratio(found, gold),
            "f1": ratio(2 * found, predicted + gold),
            "f1_macro": macro([self._entry(type_) for type_ in self._types()]).f1,
            "recall_all": ratio(found, everything),
            "f1_all": ratio(2 * found, predicted + everything),
        }

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
