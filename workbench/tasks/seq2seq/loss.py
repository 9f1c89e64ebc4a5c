"""What seq2seq minimises: cross entropy over the tokens of the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.tasks.shared.token_loss import TokenCrossEntropy

if TYPE_CHECKING:
    from workbench.tasks.seq2seq.data import PreparedPairs


def loss(prepared: PreparedPairs) -> TokenCrossEntropy:
    return TokenCrossEntropy(prepared.recipe.train.label_smoothing)
