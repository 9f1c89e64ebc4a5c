"""Texts in blocks, in which words are masked.

Documents longer than a block are cut into blocks, each within the tokenizer's own special tokens; nothing is dropped
and no block spans two documents. Masks are drawn anew for every epoch; an evaluation always sees the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import BadInput, DataError, ModelError
from workbench.models import weights
from workbench.tasks.interface import Prepared
from workbench.tasks.masked_lm.masking import Masking
from workbench.tasks.masked_lm.spec import SPEC, MaskedLMRecipe
from workbench.tasks.shared import documents
from workbench.tasks.shared.encoding import SpecialTokens
from workbench.tasks.shared.kept_tokens import bounded, kept_arrays, together
from workbench.tasks.shared.rows import IGNORED, Padding, TokenRows
from workbench.tasks.shared.split_facts import counts_of, row_numbers
from workbench.tasks.shared.token_evaluation import DecodedRows

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.data.cache.token_entry import Arrays
    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located
    from workbench.models.positions import Limits

MASK: Final = "<mask>"


@dataclass(frozen=True)
class BlockFacts:
    """The blocks of each split as texts."""

    texts: Mapping[str, DecodedRows]


PreparedBlocks = Prepared[MaskedLMRecipe, BlockFacts]


def tokenizer(recipe: MaskedLMRecipe, splits: Splits, search: Sequence[Path]) -> PreTrainedTokenizerBase:
    found = weights.load_tokenizer(recipe.model, search, documents.texts(splits, "train"))
    if not found.is_fast:
        raise ModelError("masked-lm needs a fast tokenizer", where="model.tokenizer", hint="use one of its family")
    if found.mask_token is None:
        if not recipe.model.architecture:
            raise ModelError(
                "the tokenizer has no mask token",
                where="model.name",
                hint='use a masked language model such as BERT, or task = "causal-lm"',
            )
        found.add_special_tokens({"mask_token": MASK})
    return found


def config(recipe: MaskedLMRecipe, located: Located, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    return weights.read_config(recipe.model, located, weights.vocabulary(located, tokenizer, "pad_token_id"))


def prepare(
    recipe: MaskedLMRecipe, splits: Splits, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> PreparedBlocks:
    length = _length(recipe, tokenizer, weights.limits(config, tokenizer))
    rows = {split: _blocks(splits, split, tokenizer, length) for split in splits.tables()}
    counts = {
        split: counts_of(splits, split, truncated=0, tokens=of_split.tokens, blocks=len(of_split))
        for split, of_split in rows.items()
    }
    facts = BlockFacts(DecodedRows.of_splits(rows, tokenizer))
    return Prepared(recipe, tokenizer, splits, rows, facts, length, counts, list(splits.notes))


def _length(recipe: MaskedLMRecipe, tokenizer: PreTrainedTokenizerBase, limits: Limits) -> int:
    asked = recipe.data.block_size
    least = SpecialTokens.of(tokenizer).size + 1
    if asked is not None and asked < least:
        raise BadInput(f"a block needs {least} tokens or more", where="data.block_size")
    return SPEC.lengths[0].chosen(asked, limits)


def _blocks(splits: Splits, split: str, tokenizer: PreTrainedTokenizerBase, block: int) -> TokenRows:
    """The documents of a split in blocks of at most `block` tokens. `tags` number the words, `IGNORED` for none."""
    special = SpecialTokens.of(tokenizer)
    settings = {"task": SPEC.name, "block_size": block, **asdict(special)}

    def make() -> Iterator[Arrays]:
        each = (
            _framed(special, place, ids[start:stop], words[start:stop])
            for place, ids, words in _encoded(splits, split, tokenizer)
            for start, stop in _stretches(len(ids), block - special.size)
        )
        none = np.zeros(0, np.int32)
        return bounded(together(each, {"ids": none, "tags": none, "lengths": none, "place": none}))

    found = kept_arrays(splits, split, tokenizer, settings, make)
    if not (found["tags"] != IGNORED).any():
        raise DataError(f"{split} has no text to mask", where=f"data.{split}")
    return TokenRows(found["ids"], found["bounds"], row_numbers(splits, split)[found["place"]], tags=found["tags"])


def _stretches(tokens: int, room: int) -> Iterator[tuple[int, int]]:
    return ((start, start + room) for start in range(0, tokens, room))


def _framed(special: SpecialTokens, place: int, ids: NDArray[np.int32], words: NDArray[np.int32]) -> Arrays:
    """A block of the document at `place`, within the special tokens."""
    before, after = (np.full(len(part), IGNORED, np.int32) for part in (special.before, special.after))
    whole = np.concatenate([special.before, ids, special.after]).astype(np.int32)
    return {
        "ids": whole,
        "tags": np.concatenate([before, words, after]),
        "lengths": np.array([len(whole)], np.int32),
        "place": np.array([place], np.int32),
    }


def _encoded(
    splits: Splits, split: str, tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.int32]]]:
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


def _pieces(
    splits: Splits, split: str, tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    for group in documents.grouped(documents.texts(splits, split)):
        encoded = tokenizer(group, add_special_tokens=False, verbose=False)
        for place, ids in enumerate(encoded["input_ids"]):
            words = [IGNORED if word is None else word for word in encoded.word_ids(place)]
            yield np.asarray(ids, np.int32), np.asarray(words, np.int32)


def collator(prepared: PreparedBlocks, model: PreTrainedModel) -> Masking:
    train, tokenizer = prepared.recipe.train, prepared.tokenizer
    padding = Padding(tokenizer.pad_token_id, tokenizer.padding_side)
    share = float(train.mask_probability)
    return Masking(padding, tokenizer.mask_token_id, len(tokenizer), share, train.whole_words)
