"""Tokens with a cursor over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from textual import events
from textual.message import Message

from workbench.contracts.lab.token_requests import TextToken
from workbench.core.text import clean
from workbench.display.spans import Line, Span
from workbench.display.wrap import wrap
from workbench.tui.modes.tokens import tokens_flow
from workbench.tui.modes.tokens.tokens_flow import Rows
from workbench.tui.widgets.drawing import Drawing
from workbench.tui.widgets.table import TableWindow, table_lines

Form = Literal["boxes", "flow", "list"]
FORMS: tuple[Form, ...] = ("boxes", "flow", "list")


class TokenView(Drawing, can_focus=True):
    """Shows tokens as `form` says and tells with `Moved` which one the cursor is on."""

    @dataclass
    class Moved(Message):
        """The cursor is on another token."""

        view: TokenView
        index: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tokens: Sequence[TextToken] = ()
        self.form: Form = "boxes"
        self.cursor = 0
        self._sources: Sequence[str] = ()
        self._limit: int | None = None
        self._said = ""
        self._labelled = False
        self._top = 0
        self._laid: tuple[int, Rows] = (0, [])

    # -- what is in it -------------------------------------------------------------------------------------------

    def show(self, tokens: Sequence[TextToken], sources: Sequence[str], limit: int | None) -> None:
        """Other tokens. The cursor stays where it was, as far as there are tokens."""
        self.tokens, self._sources, self._limit, self._said = tokens, sources, limit, ""
        self._labelled = any(token.label for token in tokens)
        self._laid = (0, [])
        self.cursor = min(self.cursor, max(0, len(tokens) - 1))
        self._follow()
        self.update_lines()

    def say(self, text: str) -> None:
        """Words instead of tokens."""
        self.tokens, self._said, self._laid = (), text, (0, [])
        self.update_lines()

    def change_form(self, form: Form) -> None:
        """Lay the tokens out another way."""
        self.form, self._laid = form, (0, [])
        self._follow()
        self.update_lines()

    def point(self, index: int) -> None:
        """Put the cursor on a token and bring it on screen; says nothing."""
        if self.tokens and index != self.cursor:
            self.cursor = max(0, min(index, len(self.tokens) - 1))
            self._follow()
            self.update_lines()

    @property
    def _tall(self) -> int:
        """Lines that a row of tokens takes: ids below them, and labels where there are any."""
        return 1 if self.form != "boxes" else 2 + self._labelled

    # -- moving --------------------------------------------------------------------------------------------------

    def move(self, rows: int, columns: int) -> None:
        """By tokens along, by lines up and down: to the token nearest to the column left."""
        if not self.tokens:
            return
        if self.form == "list" or abs(rows) > len(self.tokens):
            target = self.cursor + rows + columns
        elif rows:
            target = self._beyond(rows)
        else:
            target = self.cursor + columns
        self._go(target)

    def _go(self, index: int) -> None:
        before = self.cursor
        self.point(index)
        if self.cursor != before:
            self.post_message(self.Moved(self, self.cursor))

    def _beyond(self, rows: int) -> int:
        laid = self._rows(self.size.width)
        line = self._line_of(self.cursor)
        column = next(box.column for box in laid[line] if box.index == self.cursor)
        target = line
        step = 1 if rows > 0 else -1
        for _ in range(abs(rows)):
            nearby = target + step
            while 0 <= nearby < len(laid) and all(box.index is None for box in laid[nearby]):
                nearby += step
            if not 0 <= nearby < len(laid):
                break
            target = nearby
        there = [box for box in laid[target] if box.index is not None]
        nearest = min(there, key=lambda box: abs(box.column - column))
        assert nearest.index is not None
        return self.cursor if target == line else nearest.index

    def _line_of(self, index: int) -> int:
        laid = self._rows(self.size.width)
        return next((line for line, row in enumerate(laid) if any(box.index == index for box in row)), 0)

    def _follow(self) -> None:
        height = max(1, self.size.height)
        if not self.tokens or not self.size.width:
            self._top = 0
            return
        if self.form == "list":
            first, last, room = self.cursor, self.cursor, height - 1
        else:
            tall = self._tall
            first = self._line_of(self.cursor) * tall
            last, room = first + tall - 1, height
        self._top = max(min(self._top, first), last - max(1, room) + 1, 0)

    def on_resize(self) -> None:
        self._laid = (0, [])
        self._follow()
        self.update_lines()

    def on_click(self, event: events.Click) -> None:
        if self.form == "list":
            if event.y >= 1:
                self._go(self._top + event.y - 1)
            return
        laid = self._rows(self.size.width)
        line = (self._top + event.y) // self._tall
        for box in laid[line] if line < len(laid) else ():
            if box.index is not None and box.column <= event.x < box.column + box.width:
                self._go(box.index)

    # -- drawing -------------------------------------------------------------------------------------------------

    def _rows(self, width: int) -> Rows:
        if self._laid[0] != width:
            if self.form == "boxes":
                rows = tokens_flow.boxes(self.tokens, width, self._limit)
            else:
                rows = tokens_flow.flow(self.tokens, self._sources, width, self._limit)
            self._laid = (width, rows)
        return self._laid[1]

    def lines(self, width: int, height: int) -> list[Line]:
        if not self.tokens:
            return [(Span(line, "bad"),) for line in wrap(clean(self._said, newlines=True), width, height)]
        if self.form == "list":
            listed = tokens_flow.TokenTable(self.tokens, self._limit)
            window = TableWindow(self._top, max(1, height - 1), listed.total)
            return table_lines(listed, window, self.cursor, width)
        ids, tall = self.form == "boxes", self._tall
        first = self._top // tall
        rows = self._rows(width)[first : first + height // tall + 2]
        labels = ids and self._labelled
        return list(tokens_flow.drawn(rows, self.tokens, self.cursor, ids=ids, labels=labels))[self._top % tall :][
            :height
        ]
