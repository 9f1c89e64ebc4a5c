"""`tokens.encode`: what a tokenizer does to a text, token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from workbench.contracts.coding import Tabled
from workbench.contracts.lab.data_requests import NO_TARGETS, TextTargets
from workbench.contracts.lab.request import LabRequest


@dataclass(frozen=True, slots=True)
class TextToken(Tabled):
    """A token, as it stands in the vocabulary, and the `piece` of its text, `start` to `end` in characters.

    `sequence` is 0 for the text, 1 for the second one, None for neither; `word` the index of its word. `cut` says that
    a cut leaves it out. `part` is 0, or how many tokens before it share its first character, as the bytes of one
    character do. `label` is what is learned of it, "" for nothing.
    """

    id: int
    token: str
    piece: str
    start: int
    end: int
    sequence: int | None
    special: bool
    unknown: bool
    word: int | None
    mask: int
    cut: bool
    part: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class TokenizerFacts:
    """`kind` is WordPiece, BPE, Unigram or WordLevel; `vocabulary` how many tokens it knows."""

    name: str
    kind: str
    vocabulary: int
    max_length: int | None


@dataclass(frozen=True, slots=True)
class TokensEncodeReply:
    """The first 4,000 `tokens`, and figures of all: `total`, and which of them are `cut`, `unknown` and `special`.

    `max_length` is where they are cut, None for nowhere. `left_out` is how many characters were not looked at.
    """

    tokenizer: TokenizerFacts
    max_length: int | None
    tokens: tuple[TextToken, ...]
    total: int
    cut: int
    unknown: int
    special: int
    left_out: int


@dataclass(frozen=True, slots=True)
class TokensEncode(LabRequest[TokensEncodeReply]):
    """Every token of a text and its pair, by the tokenizer of that name, else the run's.

    `max_length` defaults to the run's or the model's own; 0 is no limit.
    """

    METHOD: ClassVar[str] = "tokens.encode"

    text: str
    pair: str | None = None
    tokenizer: str | None = None
    run: str | None = None
    max_length: int | None = None
    targets: TextTargets = NO_TARGETS
