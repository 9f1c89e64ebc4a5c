"""How well masked tokens were foreseen: loss, accuracy and pseudo-perplexity, from sums over parts of a text."""

from __future__ import annotations

import math
from typing import Any

import datasets
import evaluate

from workbench.train.metrics import intervals
from workbench.train.metrics.base import Metric, outcome
from workbench.train.metrics.language import bounded_exp, perplexity


class MaskedTokens(Metric):
    """`compute(nll=[parts], tokens=[parts], right=[parts])`.

    `nll` is a part's negative log likelihood in nats, `tokens` how many were masked in it, `right` how many of those
    were the likeliest. `pseudo_perplexity` is e to the mean over the tokens that were masked together, some in a
    hundred; Salazar et al. 2020 (section 2.3) mask one token at a time, which takes a forward pass for each and
    gives a lower figure. Gives `{"scalars", "undefined", "report": {intervals}}`. Raises ValueError where
    nothing was masked.
    """

    def _info(self) -> evaluate.MetricInfo:
        features = {
            "nll": datasets.Value("float64"),
            "tokens": datasets.Value("int64"),
            "right": datasets.Value("int64"),
        }
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation="",
            inputs_description=str(type(self).__doc__),
            features=datasets.Features(features),
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None, **inputs: Any) -> None:
        """Sums, not class ids: any numbers will do."""
        evaluate.Metric.add_batch(self, predictions=predictions, references=references, **inputs)

    def _compute(self, nll: Any, tokens: Any, right: Any) -> dict[str, Any]:
        total = sum(tokens)
        if not total:
            raise ValueError("there are no masked tokens to judge")
        loss = math.fsum(nll) / total if all(map(math.isfinite, nll)) else sum(nll) / total
        values = {"loss": loss, "masked_accuracy": sum(right) / total, "pseudo_perplexity": perplexity(loss)}
        mean = intervals.share(0, 1)
        measures = {
            "loss": mean,
            "masked_accuracy": intervals.share(2, 1),
            "pseudo_perplexity": lambda sums: bounded_exp(mean(sums)),
        }
        rows = list(zip(nll, tokens, right, strict=True))
        return outcome(values, {"intervals": intervals.of_rows(rows, measures)})
