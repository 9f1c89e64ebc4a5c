"""The shell: six modes on number keys, one feed, one table of keys, toasts, undo, and the way out."""

from __future__ import annotations

import gc
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.app import App, SuspendNotSupported
from textual.message import Message
from textual.notifications import Notification, Notify, SeverityLevel
from textual.screen import ModalScreen, Screen
from textual.signal import Signal

from workbench.core.errors import WorkbenchError
from workbench.core.home import Home, Settings
from workbench.core.text import clean, cut
from workbench.tui import terminal
from workbench.tui.bindings import APP, MODE_KEYS, MODES, Table, textual_bindings
from workbench.tui.commands import TableCommands
from workbench.tui.feed import EndedRun, Feed, FeedSource, FeedStatus, RegistrySource
from workbench.tui.pane import Pane
from workbench.tui.selection import Selection

if TYPE_CHECKING:
    from workbench.lab.client import Lab

T = TypeVar("T")
_MOST_TOASTS = 3


def _screen(mode: str) -> Callable[[], Screen[Any]]:
    def make() -> Screen[Any]:
        module, name = MODES[mode].screen.split(":")  # imported when it is first opened
        screen: Screen[Any] = getattr(import_module(f"workbench.tui.modes.{module}.pane"), name)()
        return screen

    return make


class WorkbenchApp(App[None], inherit_bindings=False):
    """The whole screen. `make_source` is the registry's side of the feed; tests give another."""

    TITLE = "workbench"
    CSS_PATH = "app.tcss"
    MODES = {mode: _screen(mode) for mode in MODES}
    BINDINGS = textual_bindings((*MODE_KEYS, *APP))
    COMMANDS = {TableCommands}
    NOTIFICATION_TIMEOUT: ClassVar[float] = 6

    class News(Message):
        """The feed has a snapshot."""

    def __init__(
        self,
        home: Home,
        settings: Settings | None = None,
        *,
        slow_link: bool = False,
        open_run: str | None = None,
        make_source: Callable[[], FeedSource] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # Textual opens the default mode when it starts; nothing of the other one is loaded then.
        self.DEFAULT_MODE = "runs" if open_run is None else "live"  # type: ignore[misc]  # read from the instance
        super().__init__()
        self.clock = clock
        self.home = home
        self.settings = settings or Settings()
        self.slow_link = slow_link or self.settings.slow_link
        self.table = Table(self.settings.keys)
        self.selection = Selection(self)
        self.status = FeedStatus()
        self.status_changed: Signal[FeedStatus] = Signal(self, "status")
        self.feed = self._make_feed(make_source or (lambda: RegistrySource(home)))
        self._trail: list[str] = []
        self._undo: list[tuple[str, Callable[[], object]]] = []
        self._lab: Lab | None = None
        self._start_in(open_run)

    def _make_feed(self, make_source: Callable[[], FeedSource]) -> Feed:
        busy, idle = (1.0, 2.0) if self.slow_link else (0.15, 0.5)
        return Feed(make_source, lambda: self.post_message(self.News()), busy=busy, idle=idle)

    def _start_in(self, run: str | None) -> None:
        if run is not None:
            self.selection.choose(run)
            self._trail = ["runs"]

    # -- life ----------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.animation_level = "none" if self.slow_link else self.animation_level
        if self.settings.theme in self.available_themes:
            self.theme = self.settings.theme
        self.set_keymap(self.table.remaps)
        for notice in self.table.notices:
            self.notify(notice, severity="warning")
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        # Back from the shell (ctrl+z, fg) the terminal shows an empty screen: Textual thinks it is painted.
        self.app_resume_signal.subscribe(self, lambda _app: self.screen.refresh())
        if not self.is_headless:
            terminal.on_signals(self.exit)
        self.feed.start()

    def on_unmount(self) -> None:
        self.feed.stop()
        self.close_lab()

    def close_lab(self) -> None:
        """End the lab process if there is one."""
        if self._lab is not None:
            self._lab.close()
            self._lab = None

    @property
    def lab(self) -> Lab:
        """The lab's client; the process starts with its first call. Call it from threads only."""
        if self._lab is None:
            from workbench.lab.client import Lab

            self._lab = Lab(home=self.home.path)
        return self._lab

    @lab.setter
    def lab(self, lab: Lab) -> None:
        self._lab = lab

    @property
    def toasts(self) -> list[Notification]:
        """The toasts on screen, the oldest first."""
        return list(self._notifications)

    def _keep_theme(self, _theme: object) -> None:
        if self.theme != self.settings.theme and self.pane is not None:
            from workbench.tui.preferences import save

            theme = self.theme
            self.settings = replace(self.settings, theme=theme)  # to come back to the first is a choice too
            self.pane.background(lambda: save(self.home, theme=theme), lambda _: None, group="theme")

    # -- the feed ------------------------------------------------------------------------------------------------

    def on_workbench_app_news(self) -> None:
        snapshot = self.feed.take()
        if snapshot is None:
            return
        if not gc.isenabled():
            self.call_after_refresh(_collect_garbage_again)
        if snapshot.status != self.status:
            for notice in snapshot.status.notices[len(self.status.notices) :]:
                self.notify(notice, severity="warning", timeout=15)
            for ended in snapshot.status.ended[len(self.status.ended) :]:
                self._announce(ended)
            self.status = snapshot.status
            self.status_changed.publish(snapshot.status)
        pane = self.pane
        if pane is None or snapshot.request != pane.request():
            return
        if snapshot.error is not None:
            pane.on_feed_error(snapshot.error)
        else:
            pane.on_snapshot(snapshot)

    def _announce(self, ended: EndedRun) -> None:
        """A run has ended: a toast for who looks, a bell and a notification for who does not."""
        good = ended.state in ("completed", "stopped")
        self.notify(ended.sentence, severity="information" if good else "error", timeout=15)
        self.bell()
        terminal.send(self, terminal.notification(ended.sentence, os.environ.get("TERM", "")))

    # -- where we are --------------------------------------------------------------------------------------------

    @property
    def pane(self) -> Pane | None:
        """The current mode's pane, under whatever question lies over it."""
        stack = self._screen_stacks.get(self._current_mode, [])
        return next((screen for screen in reversed(stack) if isinstance(screen, Pane)), None)

    def go(self, mode: str) -> None:
        """Open a mode; `esc` there comes back here."""
        if mode != self.current_mode:
            self._trail = [*(past for past in self._trail if past != mode), self.current_mode]
            self.switch_mode(mode)

    def action_go(self, mode: str) -> None:
        if self.pane is not None and mode != self.current_mode:
            self.pane.before_leaving()
        self.go(mode)

    def go_back(self) -> None:
        """One pane back."""
        if self._trail:
            self.switch_mode(self._trail.pop())

    # -- keys ----------------------------------------------------------------------------------------------------

    async def action_key(self, id: str) -> None:
        await self.run_row(id)

    async def action_row(self, id: str) -> None:
        await self.run_row(id)

    async def run_row(self, id: str, pane: Pane | None = None) -> None:
        """Run a row of the bindings table where it belongs, or say why it cannot be run now."""
        pane = pane or self.pane
        row, part = self.table[id], id.split(".", 1)[0]
        if part == "mode":
            self.action_go(row.action)
        elif part == "app":
            await self.run_action(f"app.{row.action}")
        elif pane is None or not pane.offers(row):
            self.notify(f"{MODES[self.current_mode].title} has nothing to {row.label}")
        elif reason := pane.why_not(id):
            self.notify(reason, severity="warning")
        else:
            await self.run_action(row.action, pane)

    def action_help(self) -> None:
        from workbench.tui.help_screen import HelpScreen

        self.push_screen(HelpScreen(MODES[self.current_mode].title, self.table.groups(self.current_mode)))

    def action_palette(self) -> None:
        self.action_command_palette()

    def action_theme(self) -> None:
        self.action_change_theme()

    def action_suspend(self) -> None:
        self.action_suspend_process()

    def action_undo(self) -> None:
        if not self._undo:
            self.notify("Nothing to undo")
            return
        label, undo = self._undo.pop()
        if self.pane is not None:
            self.pane.background(undo, lambda _: self.notify(f"Undone: {label}"), group="undo")

    async def action_quit(self) -> None:
        live = self.status.live
        said = f"{live} run{'s go' if live > 1 else ' goes'} on without you" if live else None
        self.exit(message=said)

    # -- what panes use ------------------------------------------------------------------------------------------

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """A toast. The text is cleaned and shown as it is: no markup, whoever wrote it."""
        shown = clean(cut(message, 600), newlines=True)
        super().notify(shown, title=clean(title), severity=severity, timeout=timeout, markup=False)

    def on_notify(self, event: Notify) -> None:
        """What is said again is said once; of what is no error the newest few stay, so that the pane can be seen."""
        new = event.notification
        passing = [toast for toast in self.toasts if toast.severity != "error" and toast.message != new.message]
        again = [toast for toast in self.toasts if toast.message == new.message]
        for toast in (*again, *(passing[: 1 - _MOST_TOASTS] if new.severity != "error" else ())):
            self._unnotify(toast, refresh=False)

    def complain(self, error: WorkbenchError) -> None:
        """A toast for what went wrong."""
        self.notify(error.sentence, severity="error", timeout=10)

    def ask_user(self, question: ModalScreen[T | None], then: Callable[[T], None]) -> None:
        """Ask; `then` gets the answer, and is not called where the user went back (None or False)."""

        def answered(answer: T | None) -> None:
            if answer is not None and answer is not False:
                then(answer)

        self.clear_notifications()  # at 80×24 toasts would lie on the line that is to be typed in
        self.push_screen(question, answered)

    def offer_undo(self, label: str, undo: Callable[[], object]) -> None:
        """Let `z` run `undo` (in a thread). Says so."""
        self._undo.append((label, undo))
        self.notify(f"{label}: {self.table['app.undo'].first} undoes it")

    def copy(self, text: str) -> None:
        """Put `text` on the clipboard of the terminal, over SSH and through tmux too."""
        self.copy_to_clipboard(text)
        if self.pane is not None:
            self.pane.background(lambda: terminal.tmux_copy(text), lambda _: None, group="copy")
        self.notify(f"Copied {cut(clean(text), 60)}")

    def edit_file(self, path: Path) -> bool:
        """Open `path` in the user's editor, the screen put away meanwhile. False where that could not be done."""
        command = [*terminal.editor(), str(path)]
        try:
            with self.suspend():
                subprocess.run(command, check=False)
        except (OSError, SuspendNotSupported) as error:
            self.complain(WorkbenchError(f"{command[0]} cannot be started ({error})", hint="set $EDITOR"))
            return False
        return True


def _collect_garbage_again() -> None:
    gc.freeze()  # what is loaded stays: later collections need not walk it, and pause the screen less
    gc.enable()


def run_tui(home: Home, slow_link: bool = False, open_run: str | None = None) -> int:
    """Show the screen until the user leaves; the exit code. With `open_run` it begins in Live on that run.

    Raises BadInput where there is no terminal, the home cannot be used, or settings.toml is not TOML.
    """
    terminal.require_terminal()
    # Nothing that is made on the road to the first frame is garbage: looking for it there costs a tenth of that road.
    gc.disable()
    app = WorkbenchApp(home, Settings.load(home), slow_link=slow_link, open_run=open_run)
    terminal.TerminalWatch(app.close_lab).start()
    app.run(mouse=not app.slow_link)
    return app.return_code or 0
