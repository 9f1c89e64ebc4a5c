"""Questions: a decision with the cursor on Cancel, a line of text, a choice from a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from workbench.core.errors import WorkbenchError
from workbench.core.text import clean


class Confirm(ModalScreen[bool | None]):
    """A decision. Enter does nothing but cancel until the cursor is moved to the other button."""

    BINDINGS = [
        Binding("escape,n", "answer(False)", "cancel"),
        Binding("y", "answer(True)", "yes"),
        Binding("left,h,up,k", "app.focus_previous", "other", show=False),
        Binding("right,l,down,j", "app.focus_next", "other", show=False),
    ]
    AUTO_FOCUS = "#cancel"

    def __init__(self, question: str, verb: str, *, detail: str = "") -> None:
        super().__init__()
        self._question, self._verb, self._detail = question, verb, detail

    def compose(self) -> ComposeResult:
        with Vertical(classes="question"):
            yield Static(Content(clean(self._question, newlines=True)), classes="title")
            if self._detail:
                yield Static(Content(clean(self._detail, newlines=True)), classes="detail")
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(Content(clean(self._verb)), id="yes", variant="error", compact=True)

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class Prompt(ModalScreen[str | None]):
    """A line of text; None when the user goes back. `check` raises a WorkbenchError for what cannot be used.

    With `instead`, what is typed first takes the place of `value`, as where another is to be named; else it is added.
    """

    BINDINGS = [Binding("escape", "cancel", "cancel")]
    AUTO_FOCUS = "Input"

    def __init__(
        self,
        title: str,
        *,
        value: str = "",
        placeholder: str = "",
        check: Callable[[str], object] | None = None,
        instead: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._value, self._placeholder, self._check = title, value, placeholder, check
        self._instead = instead

    def compose(self) -> ComposeResult:
        with Vertical(classes="question"):
            yield Static(Content(clean(self._title)), classes="title")
            entry = Input(clean(self._value), placeholder=clean(self._placeholder), compact=True)
            entry.cursor_blink = False
            entry.select_on_focus = self._instead
            yield entry
            yield Static(classes="fault")

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        try:
            if self._check is not None:
                self._check(event.value)
        except WorkbenchError as error:
            self.query_one(".fault", Static).update(Content(clean(error.sentence, newlines=True)))
        else:
            self.dismiss(event.value)


class Choose(ModalScreen[int | None]):
    """One of several lines; its index, or None when the user goes back."""

    BINDINGS = [
        Binding("escape", "cancel", "cancel"),
        Binding("j", "cursor('down')", "down", show=False),
        Binding("k", "cursor('up')", "up", show=False),
    ]
    AUTO_FOCUS = "OptionList"

    def __init__(self, title: str, options: Sequence[str]) -> None:
        super().__init__()
        self._title, self._options = title, options

    def compose(self) -> ComposeResult:
        with Vertical(classes="question"):
            yield Static(Content(clean(self._title)), classes="title")
            yield OptionList(*(Option(Content(clean(text))) for text in self._options), compact=True)

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_cursor(self, direction: str) -> None:
        chooser = self.query_one(OptionList)
        if direction == "down":
            chooser.action_cursor_down()
        else:
            chooser.action_cursor_up()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)
