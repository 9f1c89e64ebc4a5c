"""From a source and a target text to ids: the same for training, evaluation and use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import ModelError
from workbench.tasks.shared.encoding import AsksTokenizer, Texts, TokenIds, assembled, encoded

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BatchEncoding, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Sides:
    """How both sides of a row become tokens. `prefix` goes before every source; lengths are tokens at most."""

    tokenizer: PreTrainedTokenizerBase
    prefix: str
    longest_source: int
    longest_target: int

    def sources(self, texts: Texts) -> tuple[list[list[int]], int]:
        """Ids of each source, and how many were cut. `texts` is a list of strings or an Arrow column of them."""
        return _listed(self.read_sources(texts))

    def targets(self, texts: Texts) -> tuple[list[list[int]], int]:
        """Likewise of targets, which some tokenizers read with another vocabulary, or mark with another language."""
        return _listed(self.read_targets(texts))

    def read_sources(self, texts: Texts) -> Iterator[TokenIds]:
        """The sources as arrays, some thousands of rows at a time."""
        if self.prefix:
            listed: list[str] = texts if isinstance(texts, list) else texts.to_pylist()
            texts = [self.prefix + text for text in listed]
        return _ended(_Side(self.tokenizer, "text"), texts, self.longest_source)

    def read_targets(self, texts: Texts) -> Iterator[TokenIds]:
        """Likewise the targets."""
        return _ended(_Side(self.tokenizer, "text_target"), texts, self.longest_target)


def _listed(read: Iterator[TokenIds]) -> tuple[list[list[int]], int]:
    found = TokenIds.joined(list(read))
    return [row.tolist() for row in found.rows()], found.cut


@dataclass(frozen=True)
class _Side:
    """A tokenizer, asked for one side of a row."""

    tokenizer: PreTrainedTokenizerBase
    name: str

    def __call__(self, texts: list[str], **options: object) -> BatchEncoding:
        encoded: BatchEncoding = self.tokenizer(**{self.name: texts}, **options)
        return encoded

    @property
    def backend_tokenizer(self) -> Tokenizer | None:
        return getattr(self.tokenizer, "backend_tokenizer", None)

    @property
    def truncation_side(self) -> str:
        return str(self.tokenizer.truncation_side)


def _ended(side: _Side, texts: Texts, longest: int) -> Iterator[TokenIds]:
    """Ids that end with the end token: without one a model learns to write, but never that it is done."""
    end = end_of(side.tokenizer)
    if ends(side, end):
        yield from encoded(side, texts, longest)
        return
    for part in encoded(side, texts, longest - 1):
        ids, lengths = assembled([(part.ids, part.bounds[:-1], part.lengths), np.array([end], np.int32)])
        yield TokenIds(ids, lengths, part.cut)


def ends(side: AsksTokenizer, end: int) -> bool:
    """Whether a tokenizer sets the end token itself; a code of the language may stand after it."""
    return end in side(["a"])["input_ids"][0][-2:]


def end_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends a text. Raises ModelError for a tokenizer that has none."""
    for found in (tokenizer.eos_token_id, tokenizer.sep_token_id):
        if found is not None:
            return int(found)
    raise ModelError(
        "the tokenizer has no end token, so that what is written would never end",
        where="model.tokenizer",
        hint="use one that has an eos_token",
    )
