"""One tokenizer's part of the Tokens pane: its name and figures, and what it makes of the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.core.errors import WorkbenchError
from workbench.tui.modes.tokens.token_view import TokenView
from workbench.tui.modes.tokens.tokens_flow import TextToken
from workbench.tui.widgets.drawing import Caption


@dataclass(frozen=True, slots=True)
class Tokenized:
    """What `tokens.encode` says, as far as the pane shows it."""

    name: str
    kind: str
    limit: int | None
    tokens: tuple[TextToken, ...]
    total: int
    cut: int
    unknown: int
    special: int
    left_out: int

    @classmethod
    def parse(cls, record: dict[str, Any]) -> Tokenized:
        tokenizer = record["tokenizer"]
        return cls(
            name=str(tokenizer["name"]),
            kind=f"{tokenizer['kind']} {tokenizer['vocabulary']:,}",
            limit=record["max_length"],
            tokens=tuple(TextToken.parse(token) for token in record["tokens"]),
            total=int(record["total"]),
            cut=int(record["cut"]),
            unknown=int(record["unknown"]),
            special=int(record["special"]),
            left_out=int(record["left_out"]),
        )

    @property
    def figures(self) -> str:
        """`23 tokens, 2 special, 1 unknown, 5 cut at 16`."""
        said = [f"{self.total:,} tokens", f"{self.special:,} special"]
        said += [f"{self.unknown:,} unknown"] if self.unknown else []
        said += [f"{self.cut:,} cut at {self.limit}"] if self.cut else []
        said += [f"first {len(self.tokens):,} shown"] if len(self.tokens) < self.total else []
        said += [f"{self.left_out:,} characters not looked at"] if self.left_out else []
        return ", ".join(said)


class TokenizerSide(Vertical):
    """One tokenizer: its name and figures, and the tokens."""

    DEFAULT_CSS = """
    TokenizerSide { width: 1fr; height: 1fr; }
    TokenizerSide Caption { background: $surface; }
    """

    def __init__(self, number: int) -> None:
        super().__init__(id=f"side{number}")
        self.number = number
        self.reply: Tokenized | None = None

    def compose(self) -> ComposeResult:
        yield Caption()
        yield TokenView(id=f"tokens{self.number}")

    @property
    def view(self) -> TokenView:
        return self.query_one(TokenView)

    def show(self, reply: Tokenized, sources: tuple[str, ...]) -> None:
        self.reply = reply
        self.query_one(Caption).show(f"{reply.name}  {reply.kind}", f"  {reply.figures}")
        self.view.show(reply.tokens, sources, reply.limit)

    def wait(self) -> None:
        self.query_one(Caption).show("encoding …", style="muted")

    def fail(self, error: WorkbenchError) -> None:
        self.reply = None
        self.query_one(Caption).show("no tokens", style="bad")
        self.view.say(error.sentence)
