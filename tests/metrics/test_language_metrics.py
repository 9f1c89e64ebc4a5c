"""Loss, perplexity and bits per byte of text."""

from __future__ import annotations

import math

import pytest

from workbench.metrics.language import LanguageModel


def test_parts_add_up():
    found = LanguageModel().compute(nll=[30.0, 10.0], tokens=[15, 5], right=[3, 2], bytes_per_token=4.0)
    scalars = found["scalars"]
    assert scalars["loss"] == 2.0
    assert scalars["perplexity"] == pytest.approx(math.e**2)
    assert scalars["token_accuracy"] == 0.25
    # 2 nats a token of 4 bytes
    assert scalars["bits_per_byte"] == pytest.approx(2 / math.log(2) / 4)


def test_a_loss_too_large_has_an_infinite_perplexity():
    assert (
        LanguageModel().compute(nll=[1e6], tokens=[1], right=[0], bytes_per_token=1.0)["scalars"]["perplexity"]
        == math.inf
    )


def test_a_loss_that_is_no_number_stays_one():
    scalars = LanguageModel().compute(nll=[math.nan], tokens=[1], right=[0], bytes_per_token=1.0)["scalars"]
    assert math.isnan(scalars["loss"])
    assert math.isnan(scalars["perplexity"])


def test_no_tokens_cannot_be_judged():
    with pytest.raises(ValueError, match="no tokens"):
        LanguageModel().compute(nll=[0.0], tokens=[0], right=[0], bytes_per_token=1.0)
