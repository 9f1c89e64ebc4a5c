"""Loss, accuracy and pseudo-perplexity of masked tokens."""

from __future__ import annotations

import math

import pytest

from workbench.metrics.catalog import of_task
from workbench.metrics.language import MaskedTokens


def test_parts_add_up_over_the_masked_tokens():
    found = MaskedTokens().compute(nll=[30.0, 10.0], tokens=[15, 5], right=[3, 2])
    assert found["scalars"] == {"loss": 2.0, "masked_accuracy": 0.25, "pseudo_perplexity": pytest.approx(math.e**2)}
    assert found["scalars"].keys() == of_task("masked-lm").keys()
    assert found["undefined"] == []


def test_a_loss_too_large_has_an_infinite_pseudo_perplexity_and_no_number_stays_none():
    assert MaskedTokens().compute(nll=[1e6], tokens=[1], right=[0])["scalars"]["pseudo_perplexity"] == math.inf
    assert math.isnan(MaskedTokens().compute(nll=[math.nan], tokens=[1], right=[0])["scalars"]["loss"])


def test_nothing_masked_cannot_be_judged():
    with pytest.raises(ValueError, match="no masked tokens"):
        MaskedTokens().compute(nll=[0.0], tokens=[0], right=[0])
