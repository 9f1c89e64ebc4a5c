"""One tokenizer's part of the Tokens pane: its name and figures, and what it makes of the text."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.contracts.lab.token_requests import TokensEncodeReply
from workbench.core.errors import WorkbenchError
from workbench.tui.modes.tokens.token_view import TokenView
from workbench.tui.widgets.drawing import Caption


def figures(reply: TokensEncodeReply) -> str:
    """`23 tokens, 2 special, 1 unknown, 5 cut at 16`."""
    said = [f"{reply.total:,} tokens", f"{reply.special:,} special"]
    said += [f"{reply.unknown:,} unknown"] if reply.unknown else []
    said += [f"{reply.cut:,} cut at {reply.max_length}"] if reply.cut else []
    said += [f"first {len(reply.tokens):,} shown"] if len(reply.tokens) < reply.total else []
    said += [f"{reply.left_out:,} characters not looked at"] if reply.left_out else []
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
        self.reply: TokensEncodeReply | None = None

    def compose(self) -> ComposeResult:
        yield Caption()
        yield TokenView(id=f"tokens{self.number}")

    @property
    def view(self) -> TokenView:
        return self.query_one(TokenView)

    def show(self, reply: TokensEncodeReply, sources: tuple[str, ...]) -> None:
        self.reply = reply
        tokenizer = reply.tokenizer
        name = f"{tokenizer.name}  {tokenizer.kind} {tokenizer.vocabulary:,}"
        self.query_one(Caption).show(name, f"  {figures(reply)}")
        self.view.show(reply.tokens, sources, reply.max_length)

    def wait(self) -> None:
        self.query_one(Caption).show("encoding …", style="muted")

    def fail(self, error: WorkbenchError) -> None:
        self.reply = None
        self.query_one(Caption).show("no tokens", style="bad")
        self.view.say(error.sentence)
