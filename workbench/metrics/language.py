"""How well tokens were predicted: by a causal language model what comes next, by a masked one what is hidden.

All is taken from sums over parts of the text, which are its blocks or rows: `nll` is a part's negative log likelihood
in nats, `tokens` how many tokens were to be predicted in it, `right` how many of them were the likeliest. Intervals are
over the parts: tokens of one text do not stand alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import datasets
import evaluate
import numpy as np

from workbench.metrics import intervals
from workbench.metrics.base import InMemoryMetric, Measured, mean, outcome

_MOST: Final = 700.0  # the greatest loss, in nats, whose exponential a float holds
_RIGHT: Final = intervals.Share(2, 1)


class TokenPredictions(InMemoryMetric):
    """What both kinds take: `compute(nll=[parts], tokens=[parts], right=[parts])`."""

    WHOLE: ClassVar[tuple[str, ...]] = ()

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


class LanguageModel(TokenPredictions):
    """`compute(nll=[parts], tokens=[parts], right=[parts], bytes_per_token=…)`.

    `bytes_per_token` is of the whole text, in bytes of UTF-8. Gives `{"scalars", "undefined", "report"}`.
    Raises ValueError where nothing was to be predicted.
    """

    def _compute(
        self, nll: Sequence[float], tokens: Sequence[int], right: Sequence[int], bytes_per_token: float
    ) -> Measured:
        loss, accuracy = _means(nll, tokens, right, "tokens")
        bits = 1 / math.log(2) / bytes_per_token if bytes_per_token else None
        values = {
            "loss": loss,
            "perplexity": perplexity(loss),
            "bits_per_byte": None if bits is None else loss * bits,
            "token_accuracy": accuracy,
        }
        measures: dict[str, intervals.Measure] = {
            "loss": mean,
            "perplexity": _perplexity_of,
            "token_accuracy": _RIGHT,
        }
        if bits is not None:
            measures["bits_per_byte"] = lambda sums: mean(sums) * bits
        return outcome(values, {}, _intervals(nll, tokens, right, measures))


class MaskedTokens(TokenPredictions):
    """`compute(nll=[parts], tokens=[parts], right=[parts])`, of the tokens that were masked.

    `pseudo_perplexity` is e to the mean over the tokens that were masked together, some in a hundred; Salazar et al.
    2020 (section 2.3) mask one token at a time, which takes a forward pass for each and gives a lower figure. Gives
    `{"scalars", "undefined", "report"}`. Raises ValueError where nothing was masked.
    """

    def _compute(self, nll: Sequence[float], tokens: Sequence[int], right: Sequence[int]) -> Measured:
        loss, accuracy = _means(nll, tokens, right, "masked tokens")
        values = {"loss": loss, "masked_accuracy": accuracy, "pseudo_perplexity": perplexity(loss)}
        measures: dict[str, intervals.Measure] = {
            "loss": mean,
            "masked_accuracy": _RIGHT,
            "pseudo_perplexity": _perplexity_of,
        }
        return outcome(values, {}, _intervals(nll, tokens, right, measures))


def _means(nll: Sequence[float], tokens: Sequence[int], right: Sequence[int], what: str) -> tuple[float, float]:
    """Loss in nats a token, and the share of tokens that are right."""
    total = sum(tokens)
    if not total:
        raise ValueError(f"there are no {what} to evaluate")
    loss = math.fsum(nll) / total if all(map(math.isfinite, nll)) else sum(nll) / total
    return loss, sum(right) / total


def _intervals(
    nll: Sequence[float], tokens: Sequence[int], right: Sequence[int], measures: Mapping[str, intervals.Measure]
) -> dict[str, intervals.Found]:
    return intervals.of_rows(list(zip(nll, tokens, right, strict=True)), measures)


def _perplexity_of(sums: intervals.Values) -> intervals.Values:
    found: intervals.Values = np.exp(np.minimum(mean(sums), _MOST))
    return found


def perplexity(loss: float) -> float:
    """e to the loss (nats); infinite where that is more than a float holds."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf
