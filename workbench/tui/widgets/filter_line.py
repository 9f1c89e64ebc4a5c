"""The filter line: text as it is typed, what is wrong with it and where, and the filters of before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from workbench.core.errors import QueryError
from workbench.core.text import cells, clean, cut

_PROMPT = "/ "


class FilterLine(Vertical):
    """A line that says what it holds after every key. `enter` keeps it, `esc` puts back what was there before."""

    DEFAULT_CSS = """
    FilterLine {
        height: auto;
        background: $panel;
        & > Input { height: 1; border: none; padding: 0 1 !important; background: $panel; }
        & > Static { height: auto; padding: 0 1; color: $text-error; display: none; }
        &.-faulty > Static { display: block; }
    }
    """
    BINDINGS = [
        Binding("escape", "give_up", "back", show=False),
        Binding("up", "recall(-1)", "older filter", show=False),
        Binding("down", "recall(1)", "newer filter", show=False),
    ]

    @dataclass
    class Changed(Message):
        """The text is another one."""

        text: str

    @dataclass
    class Closed(Message):
        """The user is done; `kept` unless they gave up."""

        text: str
        kept: bool

    def __init__(self, history: Sequence[str] = (), *, placeholder: str = "") -> None:
        super().__init__()
        self.history = list(history)
        self._placeholder = placeholder
        self._before = ""
        self._at = 0

    def compose(self) -> ComposeResult:
        entry = Input(placeholder=self._placeholder, compact=True)
        entry.cursor_blink = False
        entry.select_on_focus = False
        yield entry
        yield Static()

    @property
    def text(self) -> str:
        return self.query_one(Input).value

    def open(self) -> None:
        """Begin to edit what is there."""
        self._before = self.text
        self._at = len(self.history)
        self.display = True
        self.screen.set_focus(self.query_one(Input))

    def clear(self) -> None:
        """Empty it and put it away."""
        self.query_one(Input).value = ""
        self.display = False

    def complain(self, error: QueryError | None) -> None:
        """Point at the column where the filter stops making sense."""
        self.set_class(error is not None, "-faulty")
        if error is not None:
            before = self.text[: error.column]
            hint = f": {error.hint}" if error.hint else ""
            where = min(cells(before), max(0, self.size.width - 4))
            said = cut(clean(error.what + hint), max(20, self.size.width - 2))
            self.query_one(Static).update(Content(" " * where + "▲\n" + said))

    def action_give_up(self) -> None:
        self.query_one(Input).value = self._before
        self._close(kept=False)

    def action_recall(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self.history)))
        entry = self.query_one(Input)
        entry.value = self.history[self._at] if self._at < len(self.history) else ""
        entry.cursor_position = len(entry.value)

    def _close(self, *, kept: bool) -> None:
        text = self.text
        if kept and text and (not self.history or self.history[-1] != text):
            self.history.append(text)
        self.display = bool(text)
        self.post_message(self.Closed(text, kept))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close(kept=True)
