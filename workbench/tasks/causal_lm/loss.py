"""What causal-lm minimises: the model's own loss, the cross entropy of each next token."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.tasks.causal_lm.data import PreparedTokens


def loss(prepared: PreparedTokens) -> None:
    return None
