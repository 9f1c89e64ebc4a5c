"""A trained masked language model: a text with masks in, the likeliest tokens for each out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.contracts.answers import Fill, FillsAnswer
from workbench.core.errors import BadInput, WorkbenchError
from workbench.models import weights
from workbench.recipe import Generate
from workbench.tasks.interface import Asked, field_of
from workbench.tasks.shared.length_batches import LengthBatches, Places
from workbench.tasks.shared.rows import Batch, Padding, RowItem

if TYPE_CHECKING:
    import torch

_COMMON_MASK: Final = "[MASK]"  # how people write it, whatever the model's own is called
_TOP: Final = 5
_LOGITS: Final = 1 << 26  # of a batch that is asked, 256 MiB in fp32: a vocabulary of them a token


@dataclass(frozen=True)
class MaskedTexts:
    """Texts as tokens, and the places of the masks of each."""

    items: list[RowItem]
    masks: list[list[int]]


class MaskFiller:
    """A trained model, asked what may stand where a text has masks."""

    task = "masked-lm"
    labels: list[str]
    fields = ("text",)
    generates = False

    def __init__(self, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> None:
        from transformers import AutoModelForMaskedLM

        self.labels = []
        self._tokenizer = weights.open_tokenizer(model_dir)
        self._model, self._device = weights.open_model(AutoModelForMaskedLM, model_dir, device)
        self._longest = weights.limits(self._model.config, self._tokenizer).least
        self._vocabulary = self._model.get_input_embeddings().weight.shape[0]
        # On the right whatever the tokenizer says: positions are counted from the left.
        padding = Padding(self._tokenizer.pad_token_id)
        self._batches = LengthBatches(self._device, padding, tokens=max(1, _LOGITS // self._vocabulary))
        self._words: dict[int, str] = {}

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[FillsAnswer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> MaskedTexts:
        """Raises BadInput where a text has no mask, or is too long."""
        mask = self._tokenizer.mask_token
        texts = [field_of(row, self.fields)[0].replace(_COMMON_MASK, mask) for row in rows]
        found = self._tokenizer(texts, verbose=False)["input_ids"] if texts else []
        return MaskedTexts([{"input_ids": ids} for ids in found], [self._masks(ids) for ids in found])

    def answer(self, encoded: MaskedTexts, top_k: int | None = None) -> list[FillsAnswer]:
        several = min(top_k or _TOP, self._vocabulary)
        answers = [FillsAnswer(())] * len(encoded.items)
        ask = partial(self._likeliest, encoded.masks, several)
        for places, (tokens, shares) in self._batches.answers(encoded.items, ask):
            each = zip(tokens.tolist(), shares.tolist(), strict=True)
            for place in places.tolist():
                answers[place] = FillsAnswer(tuple(self._fill(*next(each)) for _ in encoded.masks[place]))
        return answers

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        raise WorkbenchError("a masked language model writes no text", hint=f"put {_COMMON_MASK} into one")

    def _masks(self, ids: list[int]) -> list[int]:
        if self._longest is not None and len(ids) > self._longest:
            raise BadInput(f"the text has {len(ids)} tokens", hint=f"give at most {self._longest}")
        masks = [place for place, token in enumerate(ids) if token == self._tokenizer.mask_token_id]
        if not masks:
            raise BadInput("the text has no mask", hint=f"put {_COMMON_MASK} where a token is to be predicted")
        return masks

    def _likeliest(
        self, masks: Sequence[Sequence[int]], several: int, batch: Batch, places: Places
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and probabilities [masks, several] of the likeliest tokens for all masks of the rows at `places`."""
        import torch

        where = [(row, mask) for row, place in enumerate(places.tolist()) for mask in masks[place]]
        # Indices made here, not a mask of the batch: to count its masks the host would have to wait for the device.
        rows, columns = torch.tensor(where).T.to(self._device, non_blocking=True)
        logits = self._model(**batch).logits[rows, columns]
        likeliest = logits.float().softmax(-1).topk(min(several, logits.shape[-1]))
        return likeliest.indices, likeliest.values

    def _fill(self, tokens: list[int], shares: list[float]) -> tuple[Fill, ...]:
        return tuple(Fill(self._word(token), share) for token, share in zip(tokens, shares, strict=True))

    def _word(self, token: int) -> str:
        if token not in self._words:
            self._words[token] = str(self._tokenizer.decode([token]))
        return self._words[token]
