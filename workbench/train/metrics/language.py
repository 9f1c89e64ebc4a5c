"""How well text was foreseen: loss, perplexity, bits per byte and token accuracy, from sums over parts of it.

Intervals are over the parts, which are blocks or rows of text: tokens of one text do not stand alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import datasets
import evaluate
import numpy as np

from workbench.train.metrics import intervals
from workbench.train.metrics.base import Metric, outcome

_MOST: Final = 700.0  # the greatest loss, in nats, whose exponential a float holds


class LanguageModel(Metric):
    """`compute(nll=[parts], tokens=[parts], right=[parts], bytes_per_token=…)`.

    `nll` is a part's negative log likelihood in nats, `tokens` how many tokens were foreseen in it, `right` how many
    of them were the likeliest. `bytes_per_token` is of the whole text, in bytes of UTF-8. Gives `{"scalars",
    "undefined", "report": {intervals}}`.
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

    def _compute(self, nll: Any, tokens: Any, right: Any, bytes_per_token: float) -> dict[str, Any]:
        total = sum(tokens)
        if not total:
            raise ValueError("there are no tokens to judge")
        loss = math.fsum(nll) / total if all(map(math.isfinite, nll)) else sum(nll) / total
        values: dict[str, float | None] = {
            "loss": loss,
            "perplexity": perplexity(loss),
            "bits_per_byte": loss / math.log(2) / bytes_per_token if bytes_per_token else None,
            "token_accuracy": sum(right) / total,
        }
        return outcome(values, {"intervals": _intervals(nll, tokens, right, bytes_per_token)})


def _intervals(
    nll: Sequence[float], tokens: Sequence[int], right: Sequence[int], bytes_per_token: float
) -> dict[str, list[float]]:
    loss = intervals.share(0, 1)
    measures: dict[str, intervals.Measure] = {
        "loss": loss,
        "perplexity": lambda sums: bounded_exp(loss(sums)),
        "token_accuracy": intervals.share(2, 1),
    }
    if bytes_per_token:
        measures["bits_per_byte"] = lambda sums: loss(sums) / math.log(2) / bytes_per_token
    return intervals.of_rows(list(zip(nll, tokens, right, strict=True)), measures)


def bounded_exp(values: intervals.Values) -> intervals.Values:
    """e to each value, which stays within what a float holds."""
    found: intervals.Values = np.exp(np.minimum(values, _MOST))
    return found


def perplexity(loss: float) -> float:
    """e to the loss (nats); infinite where that is more than a float holds."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf
