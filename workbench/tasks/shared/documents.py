"""The documents of a split of plain text: each row one, or all lines of a text file together one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from workbench.data.cache.word_ids import pieces

if TYPE_CHECKING:
    from workbench.data.tables.splits import Splits

_LINES: Final = 500  # lines encoded at once, so that the tokenizer can use every core


def texts(splits: Splits, split: str) -> Iterator[str]:
    """The documents of a split, those of lines in pieces that join to the text."""
    column = splits.texts(split)
    if not of_lines(splits, split):
        for (part,) in pieces(column):
            yield from (text for text in part.to_pylist() if text)
        return
    for start in range(0, len(column), _LINES):
        lines = column[start : start + _LINES].to_pylist()
        last = start + _LINES >= len(column)
        yield "\n".join(line or "" for line in lines) + ("" if last else "\n")


def of_lines(splits: Splits, split: str) -> bool:
    """Whether the texts of a split are pieces of one document."""
    from workbench.data.formats.text_lines import are_lines

    return are_lines(splits.tables()[split])


def grouped(texts: Iterable[str], size: int = 256) -> Iterator[list[str]]:
    """The same in lists of `size`, as tokenizers like them."""
    group: list[str] = []
    for text in texts:
        group.append(text)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
