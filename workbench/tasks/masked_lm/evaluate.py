"""How masked-lm is evaluated: what each masked token costs, and what was likeliest in its place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.interface import EvaluationResult, Evaluator, forward
from workbench.tasks.masked_lm.data import PreparedBlocks
from workbench.tasks.masked_lm.masking import at_places, places_of
from workbench.tasks.shared.rows import IGNORED, LABEL_PLACES, Batch
from workbench.tasks.shared.token_evaluation import DecodedRows, PredictedTokens, TokenGatherer
from workbench.tasks.shared.token_loss import HasLogits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.metrics.base import Measured


def evaluator(prepared: PreparedBlocks, split: str) -> Evaluator[HasLogits, PredictedTokens]:
    return MaskEvaluator(prepared.own.texts[split])


class MaskEvaluator:
    """`texts` are the blocks as they are read; without them there is no table of rows."""

    def __init__(self, texts: DecodedRows | None) -> None:
        self._texts = texts
        self._gathered = TokenGatherer()

    def ask(self, model: PreTrainedModel, batch: Batch) -> HasLogits:
        outputs: HasLogits = forward(model, batch)
        return outputs

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: HasLogits) -> None:
        import torch

        places = batch[LABEL_PLACES] if LABEL_PLACES in batch else places_of(batch["labels"])
        logits, gold = at_places(outputs.logits, batch["labels"], places)
        nll = torch.nn.functional.cross_entropy(logits, gold.flatten(), ignore_index=IGNORED, reduction="none")
        predicted = logits.argmax(-1).view_as(gold)
        each = [nll.view_as(gold), gold != IGNORED, predicted == gold]
        sums = torch.stack([of_tokens.double().sum(dim=1) for of_tokens in each], dim=1)
        self._gathered.add(rows, sums, gold, predicted)

    def part(self) -> PredictedTokens:
        return self._gathered.part()

    def result(self, parts: Sequence[PredictedTokens]) -> EvaluationResult:
        from workbench.metrics.language import MaskedTokens

        found = PredictedTokens.joined(parts)
        measured: Measured = MaskedTokens().compute(**found.measures)
        table = None if self._texts is None else partial(self._texts.table, found, self._texts.listed)
        return EvaluationResult(**measured, predictions=table)
