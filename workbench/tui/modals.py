"""Questions: a decision with the cursor on Cancel, a line of text, a choice from a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from workbench.core.errors import WorkbenchError
from workbench.core.text import clean, cut
from workbench.tui.offers import Offer, completed


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
            yield from self.below()
            yield Static(classes="fault")

    def below(self) -> ComposeResult:
        """What stands under the line."""
        yield from ()

    def meant(self, text: str) -> str:
        """What is answered where this was typed."""
        return text

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
            self.dismiss(self.meant(event.value))


class Pick(Prompt):
    """Something from a list, or by name: typing leaves what holds it, tab completes a path.

    Answers with the value of what was picked, or with what was typed where nothing in the list was meant.
    """

    BINDINGS = [
        Binding("tab", "complete", "complete the path"),
        Binding("down,pagedown", "point(1)", "down", show=False),
        Binding("up,pageup", "point(-1)", "up", show=False),
    ]

    @dataclass
    class Offered(Message):
        """What may be picked; it is looked for in a thread, so that one can type meanwhile."""

        offers: Sequence[Offer]

    def __init__(
        self, title: str, offers: Callable[[], Sequence[Offer]], *, value: str = "", placeholder: str = ""
    ) -> None:
        super().__init__(title, value=value, placeholder=placeholder, instead=True)
        self._look = offers
        self._offers: Sequence[Offer] = ()
        self._left: Sequence[Offer] = ()

    def below(self) -> ComposeResult:
        yield OptionList(compact=True)
        yield Static(Content("↑ ↓ choose   tab completes a path   enter opens"), classes="detail")

    def on_mount(self) -> None:
        chooser = self.query_one(OptionList)
        chooser.can_focus = chooser.display = False
        self.run_worker(lambda: self.post_message(self.Offered(self._look())), thread=True, exit_on_error=False)

    def on_pick_offered(self, event: Offered) -> None:
        self._offers = event.offers
        self._list(self.query_one(Input).value)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._list(event.value)

    def _list(self, text: str) -> None:
        """What holds the words that were typed; all of it before a key has been pressed."""
        chooser, typed = self.query_one(OptionList), text if text != self._value else ""
        words = typed.lower().split()
        self._left = [offer for offer in self._offers if all(word in offer.text.lower() for word in words)]
        chooser.clear_options()
        chooser.add_options([Option(Content(clean(offer.text))) for offer in self._left])
        chooser.display = bool(self._left)
        named = self._is_a_name(typed) if typed else bool(self._value)
        chooser.highlighted = 0 if self._left and not named else None

    def _is_a_name(self, text: str) -> bool:
        """Whether what is typed can be opened as it stands, whatever the list holds."""
        return any(mark in text for mark in "/:.~") or Path(text.strip() or "-").exists()

    def meant(self, text: str) -> str:
        at = self.query_one(OptionList).highlighted
        return text if at is None or at >= len(self._left) else self._left[at].value

    def action_point(self, by: int) -> None:
        chooser = self.query_one(OptionList)
        if self._left:
            chooser.highlighted = 0 if chooser.highlighted is None else (chooser.highlighted + by) % len(self._left)

    def action_complete(self) -> None:
        entry = self.query_one(Input)
        entry.value, names = completed(entry.value)
        entry.cursor_position = len(entry.value)
        self.query_one(".detail", Static).update(Content(cut(clean("  ".join(names) or "no such path"), 180)))


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
