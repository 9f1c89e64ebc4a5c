"""masked-lm: what stands where the text is masked.

Rows need a text. Documents longer than a block are cut into blocks, each within the tokenizer's own special tokens;
nothing is dropped and no block spans two documents. Masks are drawn anew for every epoch; an evaluation always sees
the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.answers import Fill, FillsAnswer
from workbench.core.errors import BadInput, DataError, ModelError, WorkbenchError
from workbench.models import weights
from workbench.recipe import Generate
from workbench.tasks.causal_lm import documents
from workbench.tasks.interface import Asked, Judge, Loss, Prepared, Verdict, field_of, forward
from workbench.tasks.masked_lm.masking import Masking, at_places, places_of
from workbench.tasks.masked_lm.spec import SPEC, MaskedLMRecipe
from workbench.tasks.shared.encoding import Frame
from workbench.tasks.shared.kept_tokens import bounded, kept_arrays, together
from workbench.tasks.shared.length_batches import LengthBatches, Places
from workbench.tasks.shared.rows import IGNORED, LABEL_PLACES, Batch, Collator, Padding, TokenRows
from workbench.tasks.shared.token_evaluation import Foreseen, Gathering, Texts

if TYPE_CHECKING:
    from workbench.data.cache.token_entry import Arrays
    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located

MASK: Final = "<mask>"
_COMMON_MASK: Final = "[MASK]"  # how people write it, whatever the model's own is called
_TOP: Final = 5
_LOGITS: Final = 1 << 26  # of a batch that is asked, 256 MiB in fp32: a vocabulary of them a token


class MaskedLM:
    """The task, for one recipe."""

    name = "masked-lm"
    draws = True

    def __init__(self, recipe: MaskedLMRecipe) -> None:
        self.recipe = recipe
        self._texts: dict[str, Texts] = {}

    def tokenizer(self, splits: Splits, search: Sequence[Path]) -> Any:
        tokenizer = weights.load_tokenizer(self.recipe.model, search, documents.texts(splits, "train"))
        if not tokenizer.is_fast:
            raise ModelError("masked-lm needs a fast tokenizer", where="model.tokenizer", hint="use one of its family")
        if tokenizer.mask_token is None:
            self._add_mask(tokenizer)
        return tokenizer

    def _add_mask(self, tokenizer: Any) -> None:
        if not self.recipe.model.architecture:
            raise ModelError(
                "the tokenizer has no mask token",
                where="model.name",
                hint='use a masked language model such as BERT, or task = "causal-lm"',
            )
        tokenizer.add_special_tokens({"mask_token": MASK})

    def config(self, located: Located, tokenizer: Any) -> Any:
        return weights.read_config(self.recipe.model, located, weights.vocabulary(located, tokenizer, "pad_token_id"))

    def prepare(self, splits: Splits, tokenizer: Any, longest: int | None) -> Prepared:
        block = self._block(longest, tokenizer)
        ready, counts = {}, {}
        for name, table in splits.tables().items():
            ready[name] = blocks(splits, name, tokenizer, block)
            words = ready[name].tags
            assert words is not None, "blocks know their words"
            if not (words != IGNORED).any():
                raise DataError(f"{name} has no text to mask", where=f"data.{name}")
            counts[name] = {
                "rows": table.num_rows,
                "dropped": splits.dropped.get(name, 0),
                "truncated": 0,
                "tokens": ready[name].tokens,
                "blocks": len(ready[name]),
            }
        self._texts = {name: Texts(rows, tokenizer) for name, rows in ready.items()}
        return Prepared(ready, [], block, counts, list(splits.notes))

    def _block(self, longest: int | None, tokenizer: Any) -> int:
        asked = self.recipe.data.block_size
        least = len(Frame.of(tokenizer).before) + len(Frame.of(tokenizer).after) + 1
        if asked is not None and asked < least:
            raise BadInput(f"a block needs {least} tokens or more", where="data.block_size")
        return SPEC.lengths[0].chosen(asked, longest)

    def model(self, located: Located, tokenizer: Any, prepared: Prepared) -> tuple[Any, list[str]]:
        from transformers import AutoModelForMaskedLM

        config = weights.vocabulary(located, tokenizer, "pad_token_id")
        return weights.load_model(AutoModelForMaskedLM, self.recipe.model, located, config)

    def collator(self, tokenizer: Any, prepared: Prepared) -> Collator:
        train = self.recipe.train
        padding = Padding(tokenizer.pad_token_id, tokenizer.padding_side)
        size = len(tokenizer)
        share = float(train.mask_probability)
        return Masking(padding, tokenizer.mask_token_id, size, share, train.whole_words)

    def loss(self) -> Loss:
        return step_loss

    def judge(self, split: str, splits: Splits, prepared: Prepared) -> Judge:
        return MaskJudge(self._texts[split])

    def samples(self, model: Any, tokenizer: Any) -> Iterator[tuple[str, str]]:
        return iter(())

    @classmethod
    def load(cls, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> MaskFiller:
        return MaskFiller(model_dir, device=device)


def blocks(splits: Splits, split: str, tokenizer: Any, block: int) -> TokenRows:
    """The documents of a split in blocks of at most `block` tokens. `tags` number the words, `IGNORED` for none."""
    frame = Frame.of(tokenizer)
    settings = {"task": MaskedLM.name, "block_size": block, **asdict(frame)}

    def make() -> Iterator[Arrays]:
        each = (
            _framed(frame, place, ids[start:stop], words[start:stop])
            for place, ids, words in _encoded(splits, split, tokenizer)
            for start, stop in _stretches(len(ids), block - len(frame.before) - len(frame.after))
        )
        none = np.zeros(0, np.int32)
        return bounded(together(each, {"ids": none, "tags": none, "lengths": none, "place": none}))

    found = kept_arrays(splits, split, tokenizer, settings, make)
    source = np.asarray(splits.tables()[split].column("__row__"))[found["place"]]
    return TokenRows(found["ids"], found["bounds"], source, tags=found["tags"])


def _stretches(tokens: int, room: int) -> Iterator[tuple[int, int]]:
    return ((start, start + room) for start in range(0, tokens, room))


def _framed(frame: Frame, place: int, ids: NDArray[np.int32], words: NDArray[np.int32]) -> Arrays:
    """A block of the document at `place`, within the special tokens."""
    before, after = (np.full(len(part), IGNORED, np.int32) for part in (frame.before, frame.after))
    whole = np.concatenate([frame.before, ids, frame.after]).astype(np.int32)
    tags = np.concatenate([before, words, after])
    return {
        "ids": whole,
        "tags": tags,
        "lengths": np.array([len(whole)], np.int32),
        "place": np.array([place], np.int32),
    }


def _encoded(splits: Splits, split: str, tokenizer: Any) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.int32]]]:
    """Row, token ids and the word of each token, of every document; all lines of a text under its first row."""
    pieces = _pieces(splits, split, tokenizer)
    if not documents.of_lines(splits, split):
        yield from ((place, ids, words) for place, (ids, words) in enumerate(pieces) if len(ids))
        return
    whole = list(pieces)
    if whole:
        starts = np.cumsum([0, *(int(words.max(initial=-1)) + 1 for _, words in whole[:-1])])
        words = np.concatenate([words + start for (_, words), start in zip(whole, starts, strict=True)])
        yield 0, np.concatenate([ids for ids, _ in whole]), words.astype(np.int32)


def _pieces(splits: Splits, split: str, tokenizer: Any) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    for group in documents.grouped(documents.texts(splits, split)):
        encoded = tokenizer(group, add_special_tokens=False, verbose=False)
        for place, ids in enumerate(encoded["input_ids"]):
            words = [IGNORED if word is None else word for word in encoded.word_ids(place)]
            yield np.asarray(ids, np.int32), np.asarray(words, np.int32)


def step_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None, label_places: Any = None) -> Any:
    """Cross entropy in nats, summed over the masked tokens of the batch and divided by those of the optimizer step.

    `label_places` are those of the batch. Without them they are looked for, which waits for the GPU.
    """
    import torch

    places = places_of(labels) if label_places is None else label_places
    logits, gold = at_places(outputs.logits, labels, places)
    total = torch.nn.functional.cross_entropy(logits, gold.flatten(), ignore_index=IGNORED, reduction="sum")
    return total / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


class MaskJudge:
    """Of each row what it cost to foresee what was masked, and what was likeliest there."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._gathered = Gathering()

    def ask(self, model: Any, batch: Batch) -> Any:
        return forward(model, batch)

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Any) -> None:
        import torch

        places = batch[LABEL_PLACES] if LABEL_PLACES in batch else places_of(batch["labels"])
        logits, gold = at_places(outputs.logits, batch["labels"], places)
        nll = torch.nn.functional.cross_entropy(logits, gold.flatten(), ignore_index=IGNORED, reduction="none")
        predicted = logits.argmax(-1).view_as(gold)
        each = [nll.view_as(gold), gold != IGNORED, predicted == gold]
        sums = torch.stack([of_tokens.double().sum(dim=1) for of_tokens in each], dim=1)
        self._gathered.add(rows, sums, gold, predicted)

    def part(self) -> Foreseen:
        return self._gathered.held()

    def verdict(self, parts: Sequence[Foreseen]) -> Verdict:
        from workbench.metrics.language import MaskedTokens

        found = Foreseen.joined(parts)
        nll, tokens, right = found.sums.T
        result = MaskedTokens().compute(nll=nll, tokens=tokens.astype(int), right=right.astype(int))
        table = partial(self._texts.table, found, self._texts.listed)
        return Verdict(result["scalars"], result["undefined"], result["report"], table)


class MaskFiller:
    """A trained masked language model: a text with masks in, the likeliest tokens for each out."""

    task = "masked-lm"
    labels: list[str]
    fields = ("text",)
    generates = False

    def __init__(self, model_dir: Path, *, device: str | None = None) -> None:
        from transformers import AutoModelForMaskedLM

        self.labels = []
        self._tokenizer = weights.open_tokenizer(model_dir)
        self._model, self._device = weights.open_model(AutoModelForMaskedLM, model_dir, device)
        self._longest = weights.longest(self._model.config, self._tokenizer)
        self._vocabulary = self._model.get_input_embeddings().weight.shape[0]
        # On the right whatever the tokenizer says: positions are counted from the left.
        padding = Padding(self._tokenizer.pad_token_id)
        self._batches = LengthBatches(self._device, padding, tokens=max(1, _LOGITS // self._vocabulary))
        self._words: dict[int, str] = {}

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[FillsAnswer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> list[dict[str, Any]]:
        """Ids of each text, and the places of its masks. Raises BadInput where it has none, or is too long."""
        mask = self._tokenizer.mask_token
        texts = [field_of(row, self.fields)[0].replace(_COMMON_MASK, mask) for row in rows]
        found = self._tokenizer(texts, verbose=False)["input_ids"] if texts else []
        return [self._item(ids) for ids in found]

    def answer(self, encoded: list[dict[str, Any]], top_k: int | None = None) -> list[FillsAnswer]:
        several = min(top_k or _TOP, self._vocabulary)
        answers = [FillsAnswer(())] * len(encoded)
        ask = partial(self._likeliest, encoded, several)
        for places, (tokens, shares) in self._batches.answers(encoded, ask):
            each = zip(tokens.tolist(), shares.tolist(), strict=True)
            for place in places.tolist():
                answers[place] = FillsAnswer(tuple(self._fill(*next(each)) for _ in encoded[place]["masks"]))
        return answers

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        raise WorkbenchError("a masked language model writes no text", hint=f"put {_COMMON_MASK} into one")

    def _item(self, ids: list[int]) -> dict[str, Any]:
        if self._longest is not None and len(ids) > self._longest:
            raise BadInput(f"the text has {len(ids)} tokens", hint=f"give at most {self._longest}")
        masks = [place for place, token in enumerate(ids) if token == self._tokenizer.mask_token_id]
        if not masks:
            raise BadInput("the text has no mask", hint=f"put {_COMMON_MASK} where a token is to be foreseen")
        return {"input_ids": ids, "masks": masks}

    def _likeliest(
        self, encoded: Sequence[dict[str, Any]], several: int, batch: Batch, places: Places
    ) -> tuple[Any, Any]:
        """Ids and probabilities [masks, several] of the likeliest tokens for all masks of the rows at `places`."""
        import torch

        where = [(row, mask) for row, place in enumerate(places.tolist()) for mask in encoded[place]["masks"]]
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
