"""The unigram baseline of language models: each token as likely as it is common in train, one added to each count."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.shared.rows import IGNORED, TokenRows


def unigram(train: TokenRows, rows: TokenRows, vocabulary: int) -> tuple[float, float]:
    """The loss in nats a token, and the share of tokens that are the commonest of train."""
    counts = np.bincount(_targets(train), minlength=vocabulary) + 1
    gold = _targets(rows)
    loss = -np.log(counts / counts.sum())[gold].mean() if len(gold) else math.nan
    return float(loss), float((gold == counts.argmax()).mean()) if len(gold) else math.nan


def _targets(rows: TokenRows) -> NDArray[np.int64]:
    ids: NDArray[np.int64] = (rows.ids if rows.tags is None else rows.tags).astype(np.int64)
    kept: NDArray[np.int64] = ids[ids != IGNORED]
    return kept
