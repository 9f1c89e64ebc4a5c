"""How causal-lm is evaluated: what each next token costs, and what was likeliest in its place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.causal_lm.data import PreparedTokens
from workbench.tasks.interface import EvaluationResult, Evaluator, forward
from workbench.tasks.shared.rows import IGNORED, Batch
from workbench.tasks.shared.token_evaluation import DecodedRows, PredictedTokens, TokenGatherer
from workbench.tasks.shared.token_loss import HasLogits

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from workbench.metrics.base import Measured


def evaluator(prepared: PreparedTokens, split: str) -> Evaluator[HasLogits, PredictedTokens]:
    facts = prepared.own
    return NextTokenEvaluator(bytes_per_token=facts.bytes_per_token[split], texts=facts.texts[split])


class NextTokenEvaluator:
    """`texts` are the rows as they are read; without them there is no table of rows."""

    def __init__(self, *, bytes_per_token: float, texts: DecodedRows | None = None) -> None:
        self._bytes_per_token, self._texts = bytes_per_token, texts
        self._gathered = TokenGatherer()

    def ask(self, model: PreTrainedModel, batch: Batch) -> HasLogits:
        # Nothing is gone on with; and with a cache transformers would not look for documents in the positions.
        outputs: HasLogits = forward(model, batch, use_cache=False)
        return outputs

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: HasLogits) -> None:
        # A row at a time: all of them in fp32 would take as much memory as the whole training step.
        import torch

        labels = batch["labels"][:, 1:]
        each = [_row_sums(logits[:-1], gold) for logits, gold in zip(outputs.logits, labels, strict=True)]
        sums, predicted = zip(*each, strict=True)
        self._gathered.add(rows, torch.stack(sums), labels, torch.stack(predicted))

    def part(self) -> PredictedTokens:
        return self._gathered.part()

    def result(self, parts: Sequence[PredictedTokens]) -> EvaluationResult:
        from workbench.metrics.language import LanguageModel

        found = PredictedTokens.joined(parts)
        measured: Measured = LanguageModel().compute(**found.measures, bytes_per_token=self._bytes_per_token)
        table = None if self._texts is None else partial(self._texts.table, found, self._texts.read)
        return EvaluationResult(**measured, predictions=table)


def _row_sums(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[negative log likelihood in nats, tokens, tokens right] of one row, a float64 tensor, and its likeliest ids."""
    import torch

    logits = logits.float()
    kept = labels != IGNORED
    nll = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    predicted = logits.argmax(-1)
    right = ((predicted == labels) & kept).sum()
    return torch.stack([nll.double(), kept.sum().double(), right.double()]), predicted.int()
