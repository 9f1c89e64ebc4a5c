"""All there is to know of the token under the cursor, in two lines."""

from __future__ import annotations

from workbench.contracts.lab.token_requests import TextToken
from workbench.core.text import clean, cut
from workbench.display.spans import Line, Span
from workbench.tui.modes.tokens import tokens_flow
from workbench.tui.widgets.drawing import Drawing


class TokenDetail(Drawing):
    """Token, id, piece of the text, characters, word, mask, and what is special about it."""

    DEFAULT_CSS = "TokenDetail { height: 2; background: $surface; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._token: TextToken | None = None
        self._place = ""

    def show(self, token: TextToken | None, index: int, count: int) -> None:
        """Another token, the `index`th (from 0) of `count`; None for none."""
        self._token, self._place = token, f"token {index} of {count:,}"
        self.update_lines()

    def lines(self, width: int, height: int) -> list[Line]:
        return detail_lines(self._token, self._place, width) if self._token else []


def detail_lines(token: TextToken, place: str, width: int) -> list[Line]:
    """`token 4 of 23   ##s   id 2015   cut off` and `"s"   characters 4–5   word 1   mask 1`."""
    name = clean(token.token[:200])
    first = [place, f"id {token.id}", *([notes] if (notes := tokens_flow.notes(token)) else [])]
    head = " " + "   ".join(first)
    where = "not in the text" if token.sequence is None else f"characters {token.start}–{token.end}"
    pair = ["second text"] if token.sequence == 1 else []
    word = [] if token.word is None else [f"word {token.word}"]
    piece = [f"“{clean(token.piece[:200])}”"] if token.piece else []
    learnt = [f"label {tokens_flow.below(token)}"] if token.label else []
    below = " " + "   ".join([*piece, where, *pair, *word, f"mask {token.mask}", *learnt])
    room = max(0, width - len(" ") * 4)
    shown = cut(name, max(4, room - len(head)))
    return [(Span(f" {shown}  ", "best"), Span(cut(head, room), "muted")), (Span(cut(below, width)),)]
