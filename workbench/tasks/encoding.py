"""From texts to token ids, and how many texts were cut on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_AT_ONCE: Final = 1000


def encode(tokenizer: Any, texts: Any, max_length: int) -> tuple[list[list[int]], int]:
    """Ids of each text, special tokens included, at most `max_length` of them; and how many texts were cut.

    `texts` is a list of strings or an Arrow column of them.
    """
    rows: list[list[int]] = []
    truncated = 0
    for chunk in _chunks(texts):
        ids: list[list[int]] = _ids(tokenizer, chunk)
        long = [place for place, row in enumerate(ids) if len(row) > max_length]
        if long:
            # Which end is cut, and that special tokens stay, is the tokenizer's to know.
            cut = _ids(tokenizer, [chunk[place] for place in long], max_length)
            for place, row in zip(long, cut, strict=True):
                ids[place] = row
            truncated += len(long)
        rows += ids
    return rows, truncated


def _ids(tokenizer: Any, texts: list[str], max_length: int | None = None) -> list[list[int]]:
    limits: dict[str, Any] = {"truncation": True, "max_length": max_length} if max_length else {"truncation": False}
    encoded = tokenizer(
        texts, return_attention_mask=False, return_token_type_ids=False, verbose=False, padding=False, **limits
    )
    found: list[list[int]] = encoded["input_ids"]
    return found


def _chunks(texts: Sequence[str] | Any) -> Iterator[list[str]]:
    for start in range(0, len(texts), _AT_ONCE):
        part: Any = texts[start : start + _AT_ONCE]
        yield part if isinstance(part, list) else part.to_pylist()


@dataclass(frozen=True)
class Frame:
    """The special tokens a tokenizer puts around a text."""

    before: list[int]
    after: list[int]

    @classmethod
    def of(cls, tokenizer: Any) -> Frame:
        plain = tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = tokenizer("a")["input_ids"]
        start = next(at for at in range(len(whole)) if whole[at : at + len(plain)] == plain)
        return cls(whole[:start], whole[start + len(plain) :])
