"""A new run: pick a recipe, see it, change it, start it. Every problem of it is told at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from workbench.core.errors import RecipeError, WorkbenchError
from workbench.core.home import Home
from workbench.core.text import cells, clean, cut, pad
from workbench.display.spans import Line, StyleName, line
from workbench.tui.bindings import MOVE, NEW_RUN, textual_bindings
from workbench.tui.modes.runs import launching
from workbench.tui.modes.runs.launching import RecipeFile
from workbench.tui.report_screen import report_sheet
from workbench.tui.widgets.styles import content

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_MOST_LINES = 400
# What a recipe needs that is not here, in a narrow and a wide list.
_NEEDS = {"hub": ("hub", "needs the hub"), "file": ("file", "needs its file")}
_SHORT = {"edited copy": "copy", "shipped": ""}
# What a key of the table moves in the list.
_MOVES = {"up": "cursor_up", "down": "cursor_down", "top": "first", "bottom": "last"}


class NewRun(ModalScreen[str | None]):
    """Dismissed with the id of the run that was started, or None."""

    BINDINGS = textual_bindings((*NEW_RUN, *(row for row in MOVE if row.action in _MOVES)))
    AUTO_FOCUS = "Input"
    app: WorkbenchApp

    class LaunchEnded(Message):
        """The thread that checks and launches is done: with an id, or with what went wrong."""

        def __init__(self, run: str | None, error: WorkbenchError | None) -> None:
            super().__init__()
            self.run, self.error = run, error

    def __init__(self, home: Home) -> None:
        super().__init__()
        self._home = home
        self.recipes: list[RecipeFile] = []  # those that hold what was typed
        self._every: list[RecipeFile] = []
        self._changes: list[str] = []
        self._busy = False

    def compose(self) -> ComposeResult:
        with Vertical(id="new-run") as box:
            box.border_title = "New run"
            box.border_subtitle = "  ".join(f"{row.first} {row.label}" for row in NEW_RUN)
            with Horizontal():
                with Vertical(id="choosing"):
                    yield Input(placeholder="type to filter", compact=True)
                    yield OptionList(id="recipes", compact=True)
                with VerticalScroll(can_focus=False):
                    yield Static(id="preview")
            yield Static(id="changes")
            yield Static(id="said")

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self.query_one(Input).cursor_blink = False
        self._find()

    def _find(self, chosen: Path | None = None) -> None:
        self._every = launching.recipe_files(self._home, Path.cwd())
        self._list(chosen)

    @on(Input.Changed)
    def _typed(self) -> None:
        self._list()

    def _list(self, chosen: Path | None = None) -> None:
        words = self.query_one(Input).value.lower().split()
        self.recipes = [recipe for recipe in self._every if all(word in recipe.name.lower() for word in words)]
        chooser = self.query_one(OptionList)
        chooser.clear_options()
        room = 24 if self.app.size.width < 100 else 40
        chooser.add_options([Option(self._content([_title(recipe, room)])) for recipe in self.recipes])
        paths = [recipe.path for recipe in self.recipes]
        if paths:
            chooser.highlighted = paths.index(chosen) if chosen in paths else 0
        elif words:
            self._say("No recipe of that name", "warn")
        else:
            self._say("No recipe in this directory, and none came with the package", "warn")

    @property
    def chosen(self) -> RecipeFile | None:
        at = self.query_one(OptionList).highlighted
        return self.recipes[at] if at is not None and at < len(self.recipes) else None

    @on(OptionList.OptionHighlighted)
    def _preview(self) -> None:
        recipe = self.chosen
        if recipe is not None:
            self.query_one("#preview", Static).update(self._content(_preview(recipe.path)))
            self.query_one(VerticalScroll).scroll_home(animate=False)
            self._say("")

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self.action_open()

    async def action_key(self, id: str) -> None:
        action = self.app.table[id].action
        if action in _MOVES:
            getattr(self.query_one(OptionList), f"action_{_MOVES[action]}")()
        elif not self._busy or id == "new.back":
            await self.run_action(action)

    # -- keys ----------------------------------------------------------------------------------------------------

    def action_back(self) -> None:
        if self.query_one(Input).value:
            self.query_one(Input).value = ""
        else:
            self.dismiss(None)

    def action_edit(self) -> None:
        recipe = self.chosen
        if recipe is None:
            return
        try:
            draft = launching.draft_of(self._home, recipe)
        except OSError as error:
            self._say(f"The copy cannot be written ({error.strerror})", "bad")
            return
        if self.app.edit_file(draft.path):
            self._find(draft.path)
            self.call_after_refresh(self._validate)

    def action_set(self) -> None:
        from workbench.tui.modals import Prompt

        value = " ".join(self._changes)
        prompt = Prompt("Fields to change", value=value, placeholder="train.epochs=1 train.batch_size=8")
        self.app.push_screen(prompt, self._set)

    def _set(self, text: str | None) -> None:
        if text is None:
            return
        self._changes = launching.changes(text)
        shown = [line(("with ", "muted"), (clean(" ".join(self._changes)), "accent"))] if self._changes else []
        self.query_one("#changes", Static).update(self._content(shown))
        self._validate()

    def _validate(self) -> None:
        recipe = self.chosen
        if recipe is not None:
            self._in_thread(lambda: launching.read(recipe.path, recipe.search, self._changes) and None)

    def action_check(self) -> None:
        recipe = self.chosen
        if recipe is None:
            return
        self._say("checking: this loads the tokenizer and looks at the data …", "accent")
        width = self.app.size.width

        def work() -> None:
            found = launching.check(self._home, recipe.path, recipe.search, self._changes)
            self.app.call_from_thread(self.app.push_screen, report_sheet(recipe.name, found, width))

        self._in_thread(work)

    def action_open(self) -> None:
        recipe = self.chosen
        if recipe is None:
            return
        self._say("checking: this loads the tokenizer and looks at the data …", "accent")

        def told(text: str) -> None:
            self.app.call_from_thread(self._say, f"{text} …", "accent")

        self._in_thread(
            lambda: launching.check_and_launch(self._home, recipe.path, recipe.search, self._changes, progress=told)
        )

    def _in_thread(self, work: object) -> None:
        assert callable(work)
        self._busy = True

        def run() -> None:
            try:
                self.post_message(self.LaunchEnded(work(), None))
            except WorkbenchError as error:
                self.post_message(self.LaunchEnded(None, error))
            except Exception as error:  # noqa: BLE001  # the thread's edge: it is told on screen
                self.post_message(self.LaunchEnded(None, WorkbenchError(f"{type(error).__name__}: {error}")))

        self.run_worker(run, thread=True, exit_on_error=False)

    def on_new_run_launch_ended(self, event: LaunchEnded) -> None:
        self._busy = False
        if event.run is not None:
            self.dismiss(event.run)
        elif event.error is not None:
            self._complain(event.error)
        else:
            self._say("The recipe is valid: enter starts the run", "good")

    # -- what is said --------------------------------------------------------------------------------------------

    def _complain(self, error: WorkbenchError) -> None:
        problems = error.problems if isinstance(error, RecipeError) else [error.sentence]
        lines = [f"✗ {clean(problem.replace(os.sep.join([str(Path.cwd()), '']), ''))}" for problem in problems]
        self._say("\n".join(lines), "bad")

    def _say(self, text: str, style: StyleName = "") -> None:
        said = self.query_one("#said", Static)
        said.update(self._content([line((part, style)) for part in clean(text, newlines=True).split("\n")]))
        said.display = bool(text)

    def _content(self, lines: Sequence[Line]) -> Content:
        return content(lines, self)


def _title(recipe: RecipeFile, room: int) -> Line:
    """The name, and whose it is flush right, on one line of so many cells."""
    origin = recipe.origin if room > 30 else _SHORT.get(recipe.origin, recipe.origin)
    origin = _NEEDS[recipe.needs][room > 30] if recipe.needs else origin
    return line(pad(clean(recipe.name), room - cells(origin) - 1), " ", (origin, "warn" if recipe.needs else "muted"))


def _preview(path: Path) -> list[Line]:
    """The recipe's text, comments muted and tables bold; the first lines of a long one."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        return [line((f"cannot be read ({error.strerror})", "bad"))]
    return [_coloured(cut(clean(text), 500)) for text in lines[:_MOST_LINES]]


def _coloured(text: str) -> Line:
    if text.startswith("#"):
        return line((text, "muted"))
    if text.startswith("["):
        return line((text, "title"))
    key, equals, value = text.partition("=")
    if not equals:
        return line(text)
    value, hash_, comment = value.partition("  #")
    return line((key, "accent"), equals, value, (hash_ + comment, "muted"))
