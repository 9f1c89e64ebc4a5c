"""The base of every mode's screen, and how to write one.

A pane is `modes/<mode>/pane.py`, imported when its mode is first opened:

    class DataPane(Pane):
        MODE = "data"
        BINDINGS = textual_bindings(DATA)                 # your rows of the table in bindings.py; nothing else

        def compose_body(self) -> ComposeResult: ...      # header, footer and empty state are there already
        def action_stop(self) -> None: ...                # what the row `data.stop` runs; so too action_open,
                                                          # action_mark, action_filter, action_edit, action_copy
                                                          # for the common rows: define those that make sense here

**Keys.** Every row runs through `action_key`. `why_not("data.stop")` returns a sentence where a key cannot be used now;
it is shown as a toast and the footer dims the key. Arrows and hjkl, g and G go to the focused widget's `cursor_up`,
`cursor_down`, … or scroll it. `esc` runs `step_back`: close what is open and return True, else it goes one pane back.

**News.** `request()` returns a frozen dataclass with `read(registry)`; it runs in the feed's thread while the pane is
on screen, and what it returns (frozen, comparable) comes to `on_snapshot(snapshot)` as `snapshot.body`, only when it
differs from the last. Call `self.ask()` when the request has changed (a filter, another run). A request that has a
`pulse()` is read whenever that differs too (a console's tail). `on_feed_error(error)` gets a WorkbenchError of `read`.

**Blocking work** (the lab, files, anything above a millisecond) never runs in the event loop:

    self.background(lambda: self.app.lab.ask(DataPage(…)), self._show_page, group="page")

runs the first in a thread and the second, with its result, in the event loop; a later call of the same group makes the
earlier result void. A WorkbenchError becomes a toast, or goes to `failed=`. Inside a thread, for pieces on the way
(streaming), use `self.app.call_from_thread(self._piece, text)` or post a message; never touch a widget.

**Talking.** `self.app.notify("…")` for a toast (text is cleaned, markup is off, for every severity);
`self.app.complain(error)` for a WorkbenchError; `self.app.ask_user(Confirm(…), then)` for a decision (the cursor is on
Cancel) and `Prompt(…)` for a line of text; `self.app.offer_undo("deleted x", undo)` for what `z` undoes;
`self.app.copy(text)`; `self.app.edit_file(path)`, which suspends the app; `self.app.go("tokens")` for another mode.
Toasts are for what can be corrected; a lasting state belongs in the pane: `self.say_empty("No rows yet", "e  choose a
recipe")` shows the empty state (it names the next key), `self.say_empty(None)` the body; `self.crumbs("demo", "train",
"row 17")` sets the breadcrumb and `self.crumbs_right("120 rows")` what stands at its right.

**Selection.** `self.app.selection` (see selection.py): `.run`, `.marks`, `.passage`; override `on_run_changed(run)`,
`on_marks_changed(marks)`, `on_passage_changed(passage)`; they are called at once for the pane on
screen, for another when it comes back. `selection.hand_over(Passage(…)); app.go("tokens")` opens a text in Tokens.

**Text from outside** passes `workbench.core.text.clean` and is shown with Content or Text objects or `markup=False`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

from workbench.core.errors import WorkbenchError
from workbench.tui.bindings import MOVE, PANE, Shortcut, textual_bindings
from workbench.tui.compositor import TightCompositor
from workbench.tui.feed import FeedRequest, FeedSnapshot
from workbench.tui.selection import Passage
from workbench.tui.widgets.bars import FooterBar, HeaderBar
from workbench.tui.widgets.empty import EmptyState

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

T = TypeVar("T")

# What a direction is called by the widgets that know it: cursors first, then anything that scrolls.
_MOVES: dict[str, tuple[str, ...]] = {
    "up": ("cursor_up", "scroll_up"),
    "down": ("cursor_down", "scroll_down"),
    "left": ("cursor_left", "scroll_left"),
    "right": ("cursor_right", "scroll_right"),
    "page_up": ("page_up", "cursor_page_up"),
    "page_down": ("page_down", "cursor_page_down"),
    "top": ("scroll_top", "first", "scroll_home"),
    "bottom": ("scroll_bottom", "last", "scroll_end"),
}


class Pane(Screen[None]):
    """A mode's screen: two header lines, the body, a footer line."""

    MODE: ClassVar[str] = ""
    BINDINGS = textual_bindings((*PANE, *MOVE))
    AUTO_FOCUS = "#body *"

    app: WorkbenchApp

    @dataclass
    class Done(Message):
        """Work in a thread has ended; `deliver` is run in the event loop."""

        deliver: Callable[[], None]

    def __init__(self) -> None:
        super().__init__(name=self.MODE)
        self._compositor = TightCompositor()
        self._groups: dict[str, int] = {}
        self._before_empty: Widget | None = None  # what had the focus when the empty state came
        self._seen: dict[str, object] = {"run": None, "marks": (), "passage": None}

    # -- what a pane defines -------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """The widgets between the header and the footer."""
        yield from ()

    def request(self) -> FeedRequest | None:
        """What the feed is to read while this pane is on screen."""
        return None

    def on_snapshot(self, snapshot: FeedSnapshot) -> None:
        """The feed's newest answer to `request()`."""

    def on_feed_error(self, error: WorkbenchError) -> None:
        """`request().read` raised this."""
        self.app.complain(error)

    def on_run_changed(self, run: str | None) -> None:
        """Another run is the current one."""

    def on_marks_changed(self, marks: tuple[str, ...]) -> None:
        """Other runs are marked."""

    def on_passage_changed(self, passage: Passage | None) -> None:
        """Another text is in hand."""

    def before_leaving(self) -> None:
        """A key has been pressed that opens another mode."""

    def step_back(self) -> bool:
        """Close or clear one thing that is open here. False where there is none: then the pane itself is left."""
        return False

    def why_not(self, id: str) -> str | None:
        """Why the key with this id cannot be used now, as a sentence; None where it can."""
        return None

    # -- what a pane uses ----------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Tell the feed that the request is another one."""
        if self.app.pane is self:
            self.app.feed.ask(self.request())

    def background(
        self,
        work: Callable[[], T],
        then: Callable[[T], object],
        *,
        group: str = "default",
        failed: Callable[[WorkbenchError], object] | None = None,
    ) -> None:
        """Run `work` in a thread and `then` with its result in the event loop; the newest of a group wins."""
        turn = self._groups[group] = self._groups.get(group, 0) + 1

        def run() -> None:
            try:
                result = work()
            except WorkbenchError as error:
                answer(failed or self.app.complain, error)
            except Exception as error:  # noqa: BLE001  # the thread's edge: it is told on screen
                answer(failed or self.app.complain, WorkbenchError(f"{type(error).__name__}: {error}"))
            else:
                answer(then, result)

        def answer(receive: Callable[[Any], object], value: Any) -> None:
            def deliver() -> None:
                if self._groups[group] == turn:
                    receive(value)

            self.post_message(self.Done(deliver))

        self.run_worker(run, thread=True, exit_on_error=False, name=group)

    def crumbs(self, *parts: str) -> None:
        """Where we are, after the mode's name: `crumbs("demo", "train")`. Cleaned here."""
        self.query_one(HeaderBar).crumbs = parts

    def crumbs_right(self, text: str) -> None:
        """A short fact at the right of the breadcrumb."""
        self.query_one(HeaderBar).right = text

    def say_empty(self, title: str | None, *hints: str) -> None:
        """Show the empty state with what to do next (`"n  start a run"`), or the body again with None."""
        if title is not None:
            self.query_one(EmptyState).say(title, hints)
        if self.has_class("-empty") != (title is not None):
            self.set_class(title is not None, "-empty")
            self._show_body() if title is None else self._hide_body()

    def _hide_body(self) -> None:
        """No key goes to what is not on screen: neither now nor when the pane is come back to."""
        self.AUTO_FOCUS = ""  # type: ignore[misc]  # read from the instance
        if self.focused is not None and self.query_one("#body") in self.focused.ancestors:
            self._before_empty = self.focused
            self.set_focus(None)

    def _show_body(self) -> None:
        """The focus goes back to what had it, at once: the next key may be waiting already."""
        del self.AUTO_FOCUS
        left, self._before_empty = self._before_empty, None
        if self.focused is None:
            shown = self.focus_chain
            self.set_focus(next((widget for widget in (left, *self.query(self.AUTO_FOCUS)) if widget in shown), None))

    def refresh_footer(self) -> None:
        """Ask `why_not` again for the keys that the footer shows."""
        self.query_one(FooterBar).update_lines()

    # -- the shell -----------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield HeaderBar(self.MODE)
        with Container(id="body"):
            yield from self.compose_body()
        yield EmptyState()
        yield FooterBar(self.MODE)

    def on_descendant_focus(self) -> None:
        self.refresh_footer()

    def on_descendant_blur(self) -> None:
        self.refresh_footer()

    def on_mount(self) -> None:
        selection = self.app.selection
        for signal in (selection.run_changed, selection.marks_changed, selection.passage_changed):
            signal.subscribe(self, self._selection_changed)

    def _selection_changed(self, _value: object) -> None:
        if self.app.pane is self:
            self.catch_up()

    def catch_up(self) -> None:
        """Tell the pane what has changed in the selection since it last looked."""
        selection = self.app.selection
        if self._seen["run"] != selection.run:
            self._seen["run"] = selection.run
            self.on_run_changed(selection.run)
        if self._seen["marks"] != selection.marks:
            self._seen["marks"] = selection.marks
            self.on_marks_changed(selection.marks)
        if self._seen["passage"] != selection.passage:
            self._seen["passage"] = selection.passage
            self.on_passage_changed(selection.passage)

    def on_screen_resume(self, _event: events.ScreenResume) -> None:
        self.catch_up()
        self.ask()

    def on_pane_done(self, event: Done) -> None:
        event.stop()
        event.deliver()

    def offers(self, row: Shortcut) -> bool:
        """Whether the pane does anything for a row of the common part of the table."""
        return hasattr(self, f"action_{row.action}")

    async def action_key(self, id: str) -> None:
        """Run a row of the table, or say why not."""
        await self.app.run_row(id, self)

    def action_back(self) -> None:
        if not self.step_back():
            self.app.go_back()

    def move(self, direction: str) -> None:
        """Move the cursor of the focused widget, or scroll it."""
        target: Widget | None = self.focused or next(iter(self.query("#body *").results(Widget)), None)
        for name in _MOVES[direction]:
            action = getattr(target, f"action_{name}", None)
            if action is not None:
                action()
                return

    def action_up(self) -> None:
        self.move("up")

    def action_down(self) -> None:
        self.move("down")

    def action_left(self) -> None:
        self.move("left")

    def action_right(self) -> None:
        self.move("right")

    def action_page_up(self) -> None:
        self.move("page_up")

    def action_page_down(self) -> None:
        self.move("page_down")

    def action_top(self) -> None:
        self.move("top")

    def action_bottom(self) -> None:
        self.move("bottom")
