"""Masked tokens by how common they are."""

from __future__ import annotations

from workbench.tasks.interface import Baselines
from workbench.tasks.masked_lm.data import PreparedBlocks
from workbench.tasks.shared.unigram import unigram


def baselines(prepared: PreparedBlocks, split: str) -> Baselines:
    """The figures of the unigram model of train, to be expected of any token of a split."""
    from workbench.metrics.language import perplexity

    rows = prepared.rows
    loss, right = unigram(rows["train"], rows[split], len(prepared.tokenizer))
    return {"unigram": {"loss": loss, "pseudo_perplexity": perplexity(loss), "masked_accuracy": right}}
