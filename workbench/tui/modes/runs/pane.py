"""The Runs pane: every run, live ones first, and what can be done to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult

from workbench.contracts.events import WORKING_STATES
from workbench.core.errors import QueryError, WorkbenchError
from workbench.core.rundir import RunDir
from workbench.display.run_labels import full_label
from workbench.tui import run_actions
from workbench.tui.bindings import RUNS, textual_bindings
from workbench.tui.feed import FeedSnapshot
from workbench.tui.modes.runs.requests import RunsPage, RunsRequest
from workbench.tui.pane import Pane
from workbench.tui.run_actions import act
from workbench.tui.widgets.run_cells import RunRows, Sight, columns
from workbench.tui.widgets.table import VirtualTable

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow
    from workbench.tui.widgets.filter_line import FilterLine

_BLOCK = 25  # windows begin at multiples of this, so that scrolling by one does not ask anew
_WIDE = 120
_AGES = 30.0  # seconds after which "3m" may have become another


class RunsPane(Pane):
    """A virtual table of runs with a filter line under it."""

    MODE = "runs"
    BINDINGS = textual_bindings(RUNS)
    DEFAULT_CSS = "RunsPane > #body { layout: horizontal; }"

    def __init__(self) -> None:
        super().__init__()
        self._filter = ""
        self._window = (0, 2 * _BLOCK)
        self._page: RunsPage | None = None
        self._paged = ""  # the filter that the page is of
        self._opening = False  # enter came before the rows of the filter
        self._faulty = False  # the filter makes no sense
        self._history: list[str] = []

    def compose_body(self) -> ComposeResult:
        self._rows = RunRows(*columns(self.app.settings.columns))
        yield VirtualTable(self._rows, id="runs")

    def on_mount(self) -> None:
        self.set_interval(_AGES, self._render_page)

    async def on_resize(self, event: events.Resize) -> None:
        """A wide screen has room for what is known of the run under the cursor."""
        wide, detail = event.size.width >= _WIDE, self.query("RunDetail")
        if wide and not detail:
            from workbench.tui.modes.runs.run_detail import RunDetail

            await self.query_one("#body").mount(RunDetail(plain=self.app.slow_link))
            self.call_after_refresh(self._tell_detail)
        elif not wide:
            await detail.remove()

    def _tell_detail(self) -> None:
        from workbench.tui.modes.runs.run_detail import RunDetail

        for detail in self.query(RunDetail):
            detail.tell(self.current, self._rows.sight.news)

    # -- the feed ------------------------------------------------------------------------------------------------

    def request(self) -> RunsRequest:
        return RunsRequest(self._filter, *self._window)

    def on_snapshot(self, snapshot: FeedSnapshot) -> None:
        assert isinstance(snapshot.body, RunsPage)
        self._page = snapshot.body
        self._paged = snapshot.request.filter if isinstance(snapshot.request, RunsRequest) else ""
        self._faulty = False
        self._complain_of_filter(None)
        self._render_page()
        if self._opening:
            self._opening = False
            self.action_open()

    def on_feed_error(self, error: WorkbenchError) -> None:
        self._opening, self._faulty = False, isinstance(error, QueryError)
        if isinstance(error, QueryError):
            self._complain_of_filter(error)
        else:
            super().on_feed_error(error)

    def _render_page(self) -> None:
        page = self._page
        if page is None:
            return
        sight = Sight(self.app.clock(), dict(page.sparks), plain=self.app.slow_link, news=page.news)
        marks, shown = (
            frozenset(self.app.selection.marks),
            columns(self.app.settings.columns, apart=bool(page.news.apart)),
        )
        self._rows = RunRows(*shown, page.rows, page.first, page.total, sight, marks, self._paged)
        self.query_one(VirtualTable).show(self._rows)
        if self.size.width >= _WIDE:
            self._tell_detail()
        self._say_what_is_shown(page.total)

    def _say_what_is_shown(self, total: int) -> None:
        every = self.app.status.total
        marked = len(self.app.selection.marks)
        shown = f"{total:,} of {every:,} runs" if self._filter else f"{total:,} run{'' if total == 1 else 's'}"
        self.crumbs_right(f"{marked} marked  {shown}" if marked else shown)
        self._say_which()
        if total or not every:
            self.say_empty(None if total else "No runs yet", "n  start one from a recipe", "1-6  the other panes")
        else:
            self.say_empty("No run matches the filter", "/  change it", "esc  clear it")
        self.refresh_footer()

    @on(VirtualTable.Wanted)
    def _window_wanted(self) -> None:
        window = self.query_one(VirtualTable).window
        first = max(0, window.first - _BLOCK // 2) // _BLOCK * _BLOCK
        count = (window.first + window.count - first) // _BLOCK * _BLOCK + 2 * _BLOCK
        if (first, count) != self._window:
            self._window = (first, count)
            self.ask()

    # -- the filter ----------------------------------------------------------------------------------------------

    def _line(self) -> FilterLine | None:
        from workbench.tui.widgets.filter_line import FilterLine

        return next(iter(self.query(FilterLine)), None)

    async def action_filter(self) -> None:
        from workbench.tui.widgets.filter_line import FilterLine

        line = self._line()
        if line is None:
            line = FilterLine(self._history, placeholder="state:running  max(eval/f1)>.9  created>2d  sort:-eval/loss")
            await self.mount(line, before="FooterBar")
        line.open()

    def on_filter_line_changed(self, event: FilterLine.Changed) -> None:
        if event.text != self._filter:
            self._filter = event.text
            self._window = (0, self._window[1])
            self.ask()

    def on_filter_line_closed(self, _event: FilterLine.Closed) -> None:
        self.set_focus(self.query_one(VirtualTable))

    def _complain_of_filter(self, error: QueryError | None) -> None:
        line = self._line()
        if line is not None:
            line.complain(error)

    def step_back(self) -> bool:
        if self._filter:
            line = self._line()
            if line is not None:
                line.clear()
            self.set_focus(self.query_one(VirtualTable))
            return True
        if self.app.selection.marks:
            self.app.selection.unmark_all()
            return True
        return False

    # -- the run under the cursor --------------------------------------------------------------------------------

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        return self._rows.run(self.query_one(VirtualTable).cursor)

    def _say_which(self) -> None:
        """Which run the keys act on, and what is wrong with it."""
        run, news = self.current, self._rows.sight.news
        if run is None:
            self.crumbs(*(["filter", self._filter] if self._filter else ["newest first, live ones at the top"]))
        else:
            self.crumbs(self._named(run), *news.signs.get(run.id, ()), *filter(None, [news.phases.get(run.id)]))

    @on(VirtualTable.CursorMoved)
    def _cursor_moved(self) -> None:
        self._say_which()
        self.refresh_footer()
        if self.size.width >= _WIDE:
            self._tell_detail()

    def before_leaving(self) -> None:
        """The other panes follow the cursor."""
        if self._paged == self._filter and (run := self.current) is not None:
            self.app.selection.choose(run.id)

    def on_run_changed(self, run: str | None) -> None:
        """The cursor follows what was chosen in another pane."""
        place = self._rows.find(run) if run else None
        if place is not None:
            self.query_one(VirtualTable).move_to(place)

    def _named(self, run: RunRow) -> str:
        return full_label(run, self._rows.runs)

    def why_not(self, id: str) -> str | None:
        if id in ("runs.new", "pane.filter", "runs.unmark", "pane.back"):
            return None
        if self._paged != self._filter:
            waits = id == "pane.open" and not self._faulty
            return None if waits else "What is shown does not match the filter yet"
        run = self.current
        if run is None:
            return "No run under the cursor: n starts one"
        live = run.state in WORKING_STATES
        if id == "runs.stop" and not live:
            return f"{run.name} is not running: it is {run.state}"
        if id in ("runs.resume", "runs.delete") and live:
            return f"{run.name} is {run.state}: stop it first"
        if id == "runs.resume" and run.state == "completed":
            return f"{run.name} has completed: there is nothing to resume"
        return None

    # -- keys ----------------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        if self._paged != self._filter:
            self._opening = True  # the run that is meant is not on screen yet
        elif (run := self.current) is not None:
            self.app.selection.choose(run.id)
            self.app.go("live")

    def action_mark(self) -> None:
        if (run := self.current) is not None:
            self.app.selection.toggle(run.id)
            self.query_one(VirtualTable).action_cursor_down()

    def action_unmark(self) -> None:
        self.app.selection.unmark_all()

    def on_marks_changed(self, marks: tuple[str, ...]) -> None:
        self._render_page()

    def action_copy(self) -> None:
        if (run := self.current) is not None:
            self.app.copy(run.id)

    def action_new(self) -> None:
        from workbench.tui.modes.runs.new_run import NewRun

        self.app.ask_user(NewRun(self.app.home), self._launched)

    def _launched(self, run: str | None) -> None:
        if run is not None:
            self.app.selection.choose(run)
            self.app.go("live")

    def action_stop(self) -> None:
        if (run := self.current) is not None:
            run_actions.stop(self, run, self._named(run))

    def action_resume(self) -> None:
        if (run := self.current) is not None:
            run_actions.resume(self, run, self._named(run))

    def action_tag(self) -> None:
        from workbench.runs.control import tag, untag
        from workbench.tui.modals import Prompt

        def apply(run: RunRow, text: str) -> None:
            if text.startswith("-"):
                act(self, run, lambda directory: untag(directory, text[1:]), f"Removed tag {text[1:]}")
            elif text.strip():
                act(self, run, lambda directory: tag(directory, text), f"Tagged {text}")

        if (run := self.current) is not None:
            placeholder = f"has {', '.join(run.tags)}; -tag removes one" if run.tags else "a tag"
            self.app.ask_user(Prompt(f"Tag {self._named(run)}", placeholder=placeholder), lambda text: apply(run, text))

    def action_note(self) -> None:
        from workbench.runs.control import note
        from workbench.tui.modals import Prompt

        def apply(run: RunRow, text: str) -> None:
            act(self, run, lambda directory: note(directory, text), "Note saved")

        if (run := self.current) is not None:
            self.app.ask_user(Prompt(f"Note on {self._named(run)}", value=run.notes), lambda text: apply(run, text))

    def action_delete(self) -> None:
        from workbench.runs.control import restore, soft_delete

        if (run := self.current) is not None:
            directory = RunDir(self.app.home.runs / run.id)

            def deleted(_: object) -> None:
                self.app.offer_undo(f"{self._named(run)} deleted", lambda: restore(directory))
                self.ask()

            self.background(lambda: soft_delete(directory), deleted, group=f"delete-{run.id}")

    def action_clone(self) -> None:
        from workbench.tui.modals import Prompt

        if (run := self.current) is not None:
            prompt = Prompt(
                f"Start a copy of {self._named(run)} with", value="train.learning_rate=", placeholder="field=value …"
            )
            self.app.ask_user(prompt, lambda text: self._clone(run, text))

    def _clone(self, run: RunRow, text: str) -> None:
        from workbench.tui.modes.runs.launching import changes as parted
        from workbench.tui.modes.runs.launching import clone

        changes = parted(text)
        self.app.notify(f"Checking {self._named(run)} with {' '.join(changes) or 'no change'} …")
        directory = RunDir(self.app.home.runs / run.id)
        self.background(lambda: clone(self.app.home, directory, changes), self._launched, group="clone")
