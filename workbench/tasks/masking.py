"""Masks for a language model to see through (Devlin et al. 2019, section 3.1).

A share of the tokens is chosen; of those 80 % are masked, 10 % replaced by a random token and 10 % left as they are.
With whole words all pieces of a word are chosen or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.tasks.rows import IGNORED, Batch, Padding

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Masking:
    """A collator that masks. Draws from torch's generator; at least one word of each row is chosen.

    `labels` are the tokens where they are to be foreseen, else `IGNORED`.
    """

    padding: Padding
    mask_id: int
    vocabulary: int
    probability: float
    whole_words: bool = False

    def __call__(self, items: Sequence[dict[str, Any]]) -> Batch:
        import torch

        batch = self.padding(items)
        ids, words = batch["input_ids"], batch["labels"]
        chosen = self._chosen(words)
        batch["labels"] = ids.masked_fill(~chosen, IGNORED)
        fate = torch.rand(ids.shape)
        replaced = torch.randint(self.vocabulary, ids.shape)
        masked = torch.where(chosen & (fate < 0.8), self.mask_id, ids)
        batch["input_ids"] = torch.where(chosen & (fate >= 0.9), replaced, masked)
        return batch

    def _chosen(self, words: torch.Tensor) -> torch.Tensor:
        """Which tokens are to be foreseen, as booleans [rows, longest]; `words` numbers the words of each row."""
        import torch

        text = words != IGNORED
        drawn = torch.rand(words.shape)
        if self.whole_words:
            # Every piece takes the number drawn for its word; words are counted from the first of the row.
            first = words.masked_fill(~text, torch.iinfo(words.dtype).max).amin(dim=1, keepdim=True)
            drawn = drawn.gather(1, (words - first).clamp(0, words.shape[1] - 1))
        least = drawn.masked_fill(~text, 2.0).amin(dim=1, keepdim=True)
        return text & ((drawn < self.probability) | (drawn == least))
