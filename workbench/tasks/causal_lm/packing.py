"""Plain text in blocks: every token of the documents in order, cut without regard to where one ends.

A block may hold the end of one document and the start of the next (Brown et al. 2020, section 2.2). Where the model
can keep them apart, no document sees another: position ids begin anew with each, from which transformers makes a mask
of blocks along the diagonal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.shared import documents
from workbench.tasks.shared.encoding import SpecialTokens, alone, assembled
from workbench.tasks.shared.kept_tokens import kept_arrays
from workbench.tasks.shared.rows import TokenRows

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BatchEncoding, PreTrainedConfig, PreTrainedTokenizerBase

    from workbench.data.cache.token_entry import Arrays
    from workbench.data.tables.splits import Splits

_NO_LIMIT: Final = 1 << 62
# From so many rows, or bytes of them, on it pays to remember their words.
_FEW: Final = 2000
_SMALL: Final = 2_000_000


@dataclass(frozen=True)
class TokenStream:
    """All tokens of a split: `ids` int32 [tokens], `starts` the place of each document's first, `size` in bytes."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    size: int


def stream(splits: Splits, split: str, tokenizer: PreTrainedTokenizerBase) -> TokenStream:
    """The tokens of a split, the end token after each document; before it the start token, where tokenizers add one."""
    found = kept_arrays(
        splits,
        split,
        tokenizer,
        {"task": "causal-lm", "begins": begins(tokenizer), "ends": ends(tokenizer), "sep": tokenizer.sep_token_id},
        lambda: _stream(splits, split, tokenizer),
    )
    return TokenStream(found["ids"], found["starts"], int(found["size"].sum()))


def _stream(splits: Splits, split: str, tokenizer: PreTrainedTokenizerBase) -> Iterator[Arrays]:
    begin, end = (np.asarray(ids, np.int32) for ids in (begins(tokenizer), ends(tokenizer)))
    whole = documents.of_lines(splits, split)
    table = splits.tables()[split]
    reader = alone(WithoutSpecialTokens(tokenizer), _NO_LIMIT, many=table.num_rows > _FEW or table.nbytes > _SMALL)
    length = 0
    if whole:
        length = len(begin)
        yield {"ids": begin, "starts": np.zeros(1, np.int64), "size": np.zeros(1, np.int64)}
    else:
        yield {"ids": begin[:0], "starts": np.zeros(0, np.int64), "size": np.zeros(1, np.int64)}
    for texts in documents.grouped(documents.texts(splits, split)):
        yield {"size": np.array([sum(len(piece.encode("utf-8", "replace")) for piece in texts)])}
        for part in reader.read(texts):
            if whole:
                yield {"ids": part.ids}
                continue
            ids, lengths = assembled([begin, (part.ids, part.bounds[:-1], part.lengths), end])
            bounds = length + np.cumsum(lengths)
            yield {"ids": ids, "starts": bounds - lengths}
            length = int(bounds[-1])
    if whole:
        yield {"ids": end}


def begins(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What a document begins with: the start token of a tokenizer that adds it by itself."""
    before = SpecialTokens.of(tokenizer).before
    return before if before == [tokenizer.bos_token_id] else []


def ends(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]


class WithoutSpecialTokens:
    """A tokenizer that adds no special tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer

    def __call__(self, texts: list[str], **options: object) -> BatchEncoding:
        encoded: BatchEncoding = self._tokenizer(texts, add_special_tokens=False, **options)
        return encoded

    @property
    def backend_tokenizer(self) -> Tokenizer | None:
        return getattr(self._tokenizer, "backend_tokenizer", None)


def pack(
    ids: NDArray[np.int32], block: int, *, keep_short: bool, starts: NDArray[np.int64] | None = None
) -> tuple[TokenRows, int]:
    """The tokens cut into blocks, and how many at the end were left out.

    A last block that is short stays with `keep_short`, and where it is the only one; a single token predicts nothing
    and always goes. With `starts` the blocks have positions, if any document starts within one.
    """
    left = len(ids) % block
    if left > 1 and (keep_short or len(ids) < block):
        left = 0
    kept = len(ids) - left
    bounds = np.append(np.arange(0, kept, block, dtype=np.int64), np.int64(kept))
    within = None if starts is None else starts[(starts < kept) & (starts % block != 0)]
    positions = None if within is None or not len(within) else _positions(kept, np.append(bounds[:-1], within))
    return TokenRows(ids[:kept], bounds, np.arange(len(bounds) - 1), positions=positions), left


def _positions(tokens: int, starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """The place of each token after the last of `starts` before it."""
    origin = np.zeros(tokens, np.int64)
    origin[starts] = starts
    found: NDArray[np.int32] = (np.arange(tokens) - np.maximum.accumulate(origin)).astype(np.int32)
    return found


def keeps_apart(config: PreTrainedConfig) -> bool:
    """Whether a model of this config lets no document of a block see another, told by its position ids.

    That is so where its attention mask is made by transformers' `create_causal_mask`, which reads them, and its
    forward takes them; models whose positions are a bias of the attention (BLOOM) take none. False where there is no
    torch: a check without it trains nothing.
    """
    import inspect
    import sys

    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, is_torch_available

    if not is_torch_available():
        return False

    found = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    model = found[0] if isinstance(found, tuple) else found
    if model is None or "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    return hasattr(sys.modules[model.__module__], "create_causal_mask")
