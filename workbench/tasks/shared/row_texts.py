"""What a row of a recipe gives to be made into tokens: its text or words, a second text, and what is learned of them.

Labels are spans of characters, so that whoever has the tokens can lay them alongside.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from workbench.data.tables.splits import Splits
from workbench.recipe import Data

IGNORED: Final = "-100"
"""The label of a token that nothing is learned from, as torch's cross entropy has it."""
D = TypeVar("D", bound=Data)


@dataclass(frozen=True)
class RowText:
    """The texts of a row. `spans` are (sequence, start, end, label), sequence 0 the text and 1 the second one.

    With `words` the spans of the text are its words, which the tokenizer gets one by one, `spaced` or not; only the
    first token of each has the label. `rest` is the label of tokens that no span touches.
    """

    text: str
    pair: str | None = None
    spans: list[tuple[int, int, int, str]] = field(default_factory=list)
    words: bool = False
    spaced: bool = True
    rest: str = ""


class RowTexts(Generic[D]):
    """The texts of a recipe's rows, as a task reads them: one, or two."""

    def __init__(self, splits: Splits, data: D) -> None:
        self.splits, self.data = splits, data

    def of(self, split: str, at: int) -> RowText:
        """That of the row at `at`. Raises DataError."""
        first, *second = [self.text(split, at, role) for role in self.splits.columns.shape.reads]
        return RowText(first, second[0] if second else None)

    def one(self, split: str, at: int) -> Splits:
        """The splits with that row alone in its own."""
        return dataclasses.replace(self.splits, **{split: self.splits.tables()[split].slice(at, 1)})

    def text(self, split: str, at: int, role: str | None) -> str:
        """The text of a role; of all that is read, if no role is given."""
        return str(self.one(split, at).texts(split, role)[0].as_py() or "")
