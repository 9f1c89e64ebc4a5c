"""Masks for a language model to see through (Devlin et al. 2019, section 3.1).

A share of the tokens is chosen; of those 80 % are masked, 10 % replaced by a random token and 10 % left as they are.
With whole words all pieces of a word are chosen or none.

Few tokens have a label, and logits have a number for every word of the vocabulary: loss and evaluation look only at
the places with a label. The collator names them, because a GPU that finds them has to be waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.tasks.shared.rows import IGNORED, LABEL_PLACES, Batch, Padding, RowItem

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Masking:
    """A collator that masks. Draws from torch's generator; at least one word of each row is chosen.

    `labels` are the tokens where they are to be predicted, else `IGNORED`. The batch says in
    `label_places` where they are, as `places_of` does.
    """

    padding: Padding
    mask_id: int
    vocabulary: int
    probability: float
    whole_words: bool = False

    def rounded(self, multiple: int, most: int) -> Masking:
        return replace(self, padding=self.padding.rounded(multiple, most))

    def __call__(self, items: Sequence[RowItem]) -> Batch:
        import torch

        batch = self.padding(items)
        ids, words = batch["input_ids"], batch["labels"]
        # Drawn for the longest row, however wide the batch is: what is masked does not depend on the padding.
        longest = max(len(item["input_ids"]) for item in items)
        shape, missing = (len(items), longest), ids.shape[1] - longest
        chosen = self._chosen(words, self._padded(torch.rand(shape), missing))
        batch["labels"] = ids.masked_fill(~chosen, IGNORED)
        batch[LABEL_PLACES] = places_of(batch["labels"], self.padding.multiple)
        fate = self._padded(torch.rand(shape), missing)
        replaced = self._padded(torch.randint(self.vocabulary, shape), missing)
        masked = torch.where(chosen & (fate < 0.8), self.mask_id, ids)
        batch["input_ids"] = torch.where(chosen & (fate >= 0.9), replaced, masked)
        return batch

    def _padded(self, drawn: torch.Tensor, missing: int) -> torch.Tensor:
        import torch

        return torch.nn.functional.pad(drawn, (0, missing) if self.padding.side == "right" else (missing, 0))

    def _chosen(self, words: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Which tokens are to be predicted, as booleans [rows, width]; `words` numbers the words of each row, `drawn`
        are numbers in [0, 1)."""
        import torch

        text = words != IGNORED
        if self.whole_words:
            # Every piece takes the number drawn for its word; words are counted from the first of the row.
            first = words.masked_fill(~text, torch.iinfo(words.dtype).max).amin(dim=1, keepdim=True)
            drawn = drawn.gather(1, (words - first).clamp(0, words.shape[1] - 1))
        least = drawn.masked_fill(~text, 2.0).amin(dim=1, keepdim=True)
        return text & ((drawn < self.probability) | (drawn == least))


_NO_PLACE = -1  # fills rows that have fewer labels than the one with the most


def places_of(labels: torch.Tensor, multiple: int = 1) -> torch.Tensor:
    """Where the labels of each row are, in order, int64 [rows, most of a row], filled up with -1.

    `multiple` rounds their number up.

    Reads how many there are at most: to be called on host memory.
    """
    labelled = labels != IGNORED
    most = -(-int(labelled.sum(dim=1).max()) // multiple) * multiple
    first = labelled.int().argsort(dim=1, descending=True, stable=True)[:, :most]
    return first.masked_fill(~labelled.gather(1, first), _NO_PLACE)


def at_places(logits: torch.Tensor, labels: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What stands at the places: logits [rows · most, vocabulary] in fp32, and labels [rows, most].

    `logits` are [rows, longest, vocabulary], `labels` [rows, longest], `places` as `places_of` gives them. Where a row
    is filled up, its label is `IGNORED`.
    """
    import torch

    filled = places == _NO_PLACE
    places = places.masked_fill(filled, 0)
    rows, longest = labels.shape
    flat = places + longest * torch.arange(rows, device=places.device)[:, None]
    found = logits.flatten(0, 1).index_select(0, flat.flatten()).float()
    return found, labels.gather(1, places).masked_fill(filled, IGNORED)
