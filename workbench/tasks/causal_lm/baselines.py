"""Next tokens by how common they are."""

from __future__ import annotations

import math

from workbench.tasks.causal_lm.data import PreparedTokens
from workbench.tasks.interface import Baselines
from workbench.tasks.shared.unigram import unigram


def baselines(prepared: PreparedTokens, split: str) -> Baselines:
    """The figures of the unigram model of train on a split."""
    from workbench.metrics.language import perplexity

    rows = prepared.rows
    loss, right = unigram(rows["train"], rows[split], len(prepared.tokenizer))
    found = {"loss": loss, "perplexity": perplexity(loss), "token_accuracy": right}
    per_token = prepared.own.bytes_per_token[split]
    return {"unigram": found | ({"bits_per_byte": loss / math.log(2) / per_token} if per_token else {})}
