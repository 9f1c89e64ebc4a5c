"""What token-classification minimises: cross entropy over the tokens that carry a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.tasks.shared.token_loss import TokenCrossEntropy

if TYPE_CHECKING:
    from workbench.tasks.token_classification.data import PreparedWords


def loss(prepared: PreparedWords) -> TokenCrossEntropy:
    return TokenCrossEntropy()
