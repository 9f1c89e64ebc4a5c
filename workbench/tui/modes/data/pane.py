"""The Data pane: the rows of a run, a recipe or a file, page by page, the whole row beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer

from workbench.contracts.check_report import DataReport
from workbench.contracts.lab.data_requests import (
    DataPageReply,
    DataRow,
    DataRowReply,
    DataSplits,
    DataSplitsReply,
    DataStats,
    DataStatsReply,
    RowField,
    RowsOf,
    ShortRow,
)
from workbench.core.errors import WorkbenchError
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.text import clean
from workbench.runs.preflight import preflight
from workbench.tasks.experiment import Experiment
from workbench.tui.bindings import DATA, textual_bindings
from workbench.tui.modals import Choose, Pick
from workbench.tui.modes.data.requests import View, rows_named
from workbench.tui.modes.data.row_detail import RowDetail
from workbench.tui.modes.data.rows_table import PAGE, RowsTable
from workbench.tui.modes.data.split_figures import SplitFigures
from workbench.tui.modes.data.split_tabs import SplitTabs
from workbench.tui.offers import Offer, has_rows, run_offers
from workbench.tui.pane import Pane
from workbench.tui.report_screen import of_run, report_sheet
from workbench.tui.selection import Passage
from workbench.tui.widgets.filter_line import FilterLine

_PATIENCE = 0.2  # seconds before a wait is said
_BUILT_IN = [Offer(name, name) for name in ("builtin:reviews", "builtin:python-docs", "builtin:docstrings")]
_TYPING = 0.15  # seconds without a key before a filter is applied
_WHOLE = 200_000  # characters of a row that go to Tokens


class DataPane(Pane):
    """One view at a time; whatever the lab answers for another is dropped."""

    MODE = "data"
    BINDINGS = textual_bindings(DATA)
    DEFAULT_CSS = """
    DataPane #rows { height: 1fr; }
    DataPane #table { width: 11fr; }
    DataPane #row { width: 9fr; border-left: solid $panel; padding: 0 1; }
    DataPane #row:focus { border-left: solid $primary; }
    DataPane FilterLine { display: none; }
    DataPane.-tall SplitFigures { height: 13; }
    DataPane.-short SplitFigures { display: none; }
    """
    AUTO_FOCUS = "#table"

    def __init__(self) -> None:
        super().__init__()
        self._opened: RowsOf | None = None
        self._view: View | None = None
        self._facts: DataSplitsReply | None = None
        self._sizes: dict[str, str] = {}
        self._labels: Mapping[str, int] = {}
        self._out: int | None = None
        self._opening: Timer | None = None
        self._typing: Timer | None = None

    def compose_body(self) -> ComposeResult:
        yield SplitTabs(id="splits")
        with Horizontal(id="rows"):
            yield RowsTable(id="table")
            yield RowDetail(id="row")
        yield SplitFigures(id="figures")
        yield FilterLine(placeholder="text to find in the rows")

    def on_mount(self) -> None:
        if self._opened is None:
            self._say_nothing_is_open()

    def on_resize(self) -> None:
        self.set_class(self.size.height >= 36, "-tall")
        self.set_class(self.size.height < 18, "-short")

    @property
    def table(self) -> RowsTable:
        return self.query_one(RowsTable)

    # -- opening -------------------------------------------------------------------------------------------------

    def on_run_changed(self, run: str | None) -> None:
        if run is not None:
            self._open(RowsOf("run", run))

    def _say_nothing_is_open(self) -> None:
        self.say_empty("No rows to show", "1  choose a run to see its data", "o  open a file, a recipe or a data set")

    def _open(self, opened: RowsOf) -> None:
        if self._opening is not None:
            self._opening.stop()
        self._opened, self._view, self._out = opened, None, None
        self._sizes, self._labels = {}, {}
        self.query_one(FilterLine).clear()
        if self.focused is not None:
            self.set_focus(self.table)
        self.crumbs(opened.name)
        self.crumbs_right("")
        self._opening = self.set_timer(_PATIENCE, lambda: self.say_empty(f"Reading {opened.name} …"))
        lab = self.app.lab
        self.background(lambda: lab.ask(DataSplits(opened)), self._opened_as, group="open", failed=self._failed)

    def _opened_as(self, facts: DataSplitsReply) -> None:
        assert self._opened is not None
        assert self._opening is not None
        self._opening.stop()
        self._facts = facts
        self.say_empty(None)
        self._show(View(self._opened, facts.splits[0]))

    def _failed(self, error: WorkbenchError) -> None:
        """Nothing can be shown of what is open; the sentence stays until something else is."""
        if self._opening is not None:
            self._opening.stop()
        self._view, self._out = None, None
        self.say_empty(error.sentence, "o  open it again, or something else", "1  choose a run")
        self.refresh_footer()

    # -- the rows ------------------------------------------------------------------------------------------------

    def _show(self, view: View) -> None:
        assert self._facts is not None
        other_split = self._view is None or (self._view.of, self._view.split) != (view.of, view.split)
        self._view, self._out = view, None
        self.table.begin()
        self.query_one(RowDetail).show("", ())
        self.crumbs(self._facts.name, view.split)
        self._show_tabs()
        if other_split:
            self._labels = {}
            self._measure(view, self._facts)
        self._fetch()
        self.set_timer(_PATIENCE, lambda: self._say_reading(view))
        self.refresh_footer()

    def _say_reading(self, view: View) -> None:
        if self._view == view and self._out is not None and not self.table.total:
            self.table.say("reading …")

    def _show_tabs(self) -> None:
        assert self._view is not None
        assert self._facts is not None
        tabs = self.query_one(SplitTabs)
        tabs.show(self._facts.splits, self._view.split, self._sizes, self._view.narrowed)

    @on(RowsTable.Wanted)
    def _fetch(self) -> None:
        """Ask for the page that is wanted most, unless one is on its way."""
        page = self.table.missing()
        if self._view is None or self._out is not None or page is None:
            return
        view, lab = self._view, self.app.lab
        self._out = page
        self.background(
            lambda: lab.ask(view.page(page * PAGE, PAGE)),
            lambda reply: self._fill(page, reply),
            group="page",
            failed=self._failed,
        )

    def _fill(self, page: int, reply: DataPageReply) -> None:
        assert self._view is not None
        self._out = None
        more = "+" if reply.more else ""
        self._sizes[self._view.split] = f"{reply.known:,}{more}"
        self.table.fill(page, reply.rows, reply.total, more=reply.more)
        if not reply.total:
            self.table.say("no row matches" if self._view.narrowed else "the split has no rows")
            self.query_one(RowDetail).show("", ())
        found = f"{reply.total:,}{more} of " if self._view.narrowed else ""
        self.crumbs_right(f"{found}{reply.known:,}{more} rows")
        self._show_tabs()
        self._fetch()

    @on(RowsTable.CursorMoved)
    def _moved(self) -> None:
        if self.table.row is not None and self._view is not None:
            self._read_row(self._view, self.table.row)

    def _read_row(self, view: View, row: ShortRow) -> None:
        lab = self.app.lab
        request = DataRow(view.of, view.split, row.at)
        self.background(lambda: lab.ask(request), self._show_row, group="row", failed=self._row_failed)

    def _show_row(self, reply: DataRowReply) -> None:
        self.query_one(RowDetail).show(f"row {reply.index:,}", reply.fields)

    def _row_failed(self, error: WorkbenchError) -> None:
        self.query_one(RowDetail).show("", [RowField("", error.sentence, 0)])

    # -- figures -------------------------------------------------------------------------------------------------

    def _measure(self, view: View, facts: DataSplitsReply) -> None:
        figures, lab = self.query_one(SplitFigures), self.app.lab
        figures.show(None, facts.notes)
        waiting = self.set_timer(_PATIENCE, lambda: figures.show(None, facts.notes, "counting …"))

        def show(stats: DataStatsReply) -> None:
            waiting.stop()
            self._labels = stats.labels or {}
            self._facts = replace(facts, notes=stats.notes)
            figures.show(stats, stats.notes)
            self.refresh_footer()

        def fail(error: WorkbenchError) -> None:
            waiting.stop()
            figures.show(None, facts.notes, error.sentence)

        self.background(lambda: lab.ask(DataStats(view.of, view.split)), show, group="stats", failed=fail)

    # -- keys ----------------------------------------------------------------------------------------------------

    def why_not(self, id: str) -> str | None:
        if id != "data.source" and self._view is None and id.startswith(("data.", "pane.")) and id != "pane.back":
            return "Nothing is open: o opens a file, a recipe or a run"
        if id == "data.split" and (self._facts is None or len(self._facts.splits) < 2):
            return "There is only one split"
        if id == "data.label" and not self._labels:
            return "The rows have no labels, or they are still being counted"
        return None

    def step_back(self) -> bool:
        view = self._view
        if view is None or not view.narrowed:
            return False
        if view.search:
            self.query_one(FilterLine).clear()
            self._show(replace(view, search=""))
        else:
            self._show(replace(view, label=None))
        return True

    def action_source(self) -> None:
        title = "Open a file, a directory, a recipe (.toml), a run's id, a hub id or builtin:reviews"
        value, home = self._opened.name if self._opened else "", self.app.home
        picker = Pick(title, lambda: [*run_offers(home, has_rows), *_BUILT_IN], value=value)
        self.app.ask_user(picker, self._source_written)

    def _source_written(self, answer: str | None) -> None:
        if answer and answer.strip():
            self._open(rows_named(answer, self.app.home.path))

    def action_split(self) -> None:
        assert self._view is not None
        assert self._facts is not None
        splits = self._facts.splits
        self._choose_split(splits[(splits.index(self._view.split) + 1) % len(splits)])

    @on(SplitTabs.Chosen)
    def _split_clicked(self, event: SplitTabs.Chosen) -> None:
        self._choose_split(event.split)

    def _choose_split(self, split: str) -> None:
        if self._view is not None and split != self._view.split:
            self._show(replace(self._view, split=split))

    def action_report(self) -> None:
        """What there is to say of a run's or a recipe's rows."""
        opened, width = self._opened, self.size.width
        assert opened is not None
        if opened.kind == "source":
            self.app.notify("Only recipes and runs have a report: o opens one")
            return
        self.app.notify("Looking at the rows …")
        self.background(
            lambda: _report(opened, self.app.home),
            lambda data: self.app.push_screen(report_sheet(f"{opened.name}: its rows", data, width)),
            group="report",
        )

    def action_label(self) -> None:
        labels = list(self._labels)
        options = ["every label", *(f"{clean(name) or '(none)'}  {self._labels[name]:,} rows" for name in labels)]

        def chosen(index: int | None) -> None:
            if self._view is not None and index is not None:
                self._show(replace(self._view, label=labels[index - 1] if index else None))

        self.app.ask_user(Choose("Only the rows with the label", options), chosen)

    def action_filter(self) -> None:
        self.query_one(FilterLine).open()

    @on(FilterLine.Changed)
    def _filter_typed(self, event: FilterLine.Changed) -> None:
        if self._typing is not None:
            self._typing.stop()
        text = event.text
        self._typing = self.set_timer(_TYPING, lambda: self._search(text))

    @on(FilterLine.Closed)
    def _filter_closed(self, event: FilterLine.Closed) -> None:
        self.set_focus(self.table)
        self._search(event.text)

    def _search(self, text: str) -> None:
        if self._view is not None and text != self._view.search:
            self._show(replace(self._view, search=text))

    def action_open(self) -> None:
        """The row in Tokens."""
        self._with_row(self._hand_over)

    action_tokens = action_open

    def action_copy(self) -> None:
        self._with_row(lambda row: self.app.copy(_text(row)))

    def _with_row(self, then: Callable[[DataRowReply], object]) -> None:
        """Fetch the row under the cursor, whole, and hand it to `then`."""
        row, view, lab = self.table.row, self._view, self.app.lab
        if row is None or view is None:
            return
        request = DataRow(view.of, view.split, row.at, _WHOLE)
        self.background(lambda: lab.ask(request), then, group="text")

    def _hand_over(self, reply: DataRowReply) -> None:
        assert self._view is not None
        assert self._facts is not None
        opened, passage = self._view.of, reply.passage
        self.app.selection.hand_over(
            Passage(
                text=passage.text[:_WHOLE],
                pair=passage.pair,
                source=f"{self._facts.name}/{self._view.split} row {reply.index:,}",
                label=reply.label,
                tokenizer=opened.name if opened.kind == "run" else self._facts.tokenizer,
                max_length=self._facts.max_length,
                targets=passage.targets,
            )
        )
        self.app.go("tokens")

    def action_next(self) -> None:
        detail = self.query_one(RowDetail)
        self.set_focus(self.table if detail.has_focus else detail)


def _text(reply: DataRowReply) -> str:
    """The row's text; where no column is it, every field."""
    chosen = [field for field in reply.fields if field.name == reply.text] or reply.fields
    return "\n".join(field.text for field in chosen)


def _report(opened: RowsOf, home: Home) -> DataReport:
    """Of a run what it found when it began; of a recipe what its check finds. Blocks. Raises WorkbenchError."""
    if opened.kind == "run":
        return of_run(home.runs / opened.name)
    return preflight(Experiment.read(expanded(opened.name).absolute()), home).data
