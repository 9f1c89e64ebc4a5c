"""The Data pane: the rows of a run, a recipe or a file, page by page, the whole row beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer

from workbench.contracts.check_report import DataReport
from workbench.core.errors import WorkbenchError
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.text import clean
from workbench.runs.preflight import preflight
from workbench.tasks.experiment import Experiment
from workbench.tui.bindings import DATA, textual_bindings
from workbench.tui.modals import Choose, Prompt
from workbench.tui.modes.data.requests import Opened, View
from workbench.tui.modes.data.row_detail import Field, RowDetail
from workbench.tui.modes.data.rows_table import PAGE, RowsTable, ShortRow
from workbench.tui.modes.data.split_figures import SplitFigures
from workbench.tui.modes.data.split_tabs import SplitTabs
from workbench.tui.pane import Pane
from workbench.tui.report_screen import of_run, report_sheet
from workbench.tui.selection import Passage, PassageTargets
from workbench.tui.widgets.filter_line import FilterLine

_PATIENCE = 0.2  # seconds before a wait is said
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
        self._opened: Opened | None = None
        self._view: View | None = None
        self._facts: dict[str, Any] = {}
        self._sizes: dict[str, str] = {}
        self._labels: dict[str, int] = {}
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
            self._open(Opened("run", run))

    def _say_nothing_is_open(self) -> None:
        self.say_empty("No rows to show", "1  choose a run to see its data", "o  open a file, a recipe or a data set")

    def _open(self, opened: Opened) -> None:
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
        self.background(
            lambda: lab.call("data.splits", **opened.params), self._opened_as, group="open", failed=self._failed
        )

    def _opened_as(self, facts: dict[str, Any]) -> None:
        assert self._opened is not None
        assert self._opening is not None
        self._opening.stop()
        self._facts = facts
        self.say_empty(None)
        self._show(View(self._opened, facts["splits"][0]))

    def _failed(self, error: WorkbenchError) -> None:
        """Nothing can be shown of what is open; the sentence stays until something else is."""
        if self._opening is not None:
            self._opening.stop()
        self._view, self._out = None, None
        self.say_empty(error.sentence, "o  open it again, or something else", "1  choose a run")
        self.refresh_footer()

    # -- the rows ------------------------------------------------------------------------------------------------

    def _show(self, view: View) -> None:
        other_split = self._view is None or (self._view.opened, self._view.split) != (view.opened, view.split)
        self._view, self._out = view, None
        self.table.begin()
        self.query_one(RowDetail).show("", ())
        self.crumbs(str(self._facts["name"]), view.split)
        self._show_tabs()
        if other_split:
            self._labels = {}
            self._measure(view)
        self._fetch()
        self.set_timer(_PATIENCE, lambda: self._say_reading(view))
        self.refresh_footer()

    def _say_reading(self, view: View) -> None:
        if self._view == view and self._out is not None and not self.table.total:
            self.table.say("reading …")

    def _show_tabs(self) -> None:
        assert self._view is not None
        tabs = self.query_one(SplitTabs)
        tabs.show(self._facts["splits"], self._view.split, self._sizes, self._view.narrowed)

    @on(RowsTable.Wanted)
    def _fetch(self) -> None:
        """Ask for the page that is wanted most, unless one is on its way."""
        page = self.table.missing()
        if self._view is None or self._out is not None or page is None:
            return
        view, lab = self._view, self.app.lab
        self._out = page
        params = view.params | {"offset": page * PAGE, "limit": PAGE, "filter": view.search, "label": view.label}
        self.background(
            lambda: lab.call("data.page", **params),
            lambda reply: self._fill(page, reply),
            group="page",
            failed=self._failed,
        )

    def _fill(self, page: int, reply: dict[str, Any]) -> None:
        assert self._view is not None
        self._out = None
        more = "+" if reply["more"] else ""
        self._sizes[self._view.split] = f"{reply['rows']:,}{more}"
        rows = [ShortRow.parse(item) for item in reply["items"]]
        self.table.fill(page, rows, int(reply["total"]), more=reply["more"])
        if not reply["total"]:
            self.table.say("no row matches" if self._view.narrowed else "the split has no rows")
            self.query_one(RowDetail).show("", ())
        found = f"{reply['total']:,}{more} of " if self._view.narrowed else ""
        self.crumbs_right(f"{found}{reply['rows']:,}{more} rows")
        self._show_tabs()
        self._fetch()

    @on(RowsTable.CursorMoved)
    def _moved(self) -> None:
        if self.table.row is not None and self._view is not None:
            self._read_row(self._view, self.table.row)

    def _read_row(self, view: View, row: ShortRow) -> None:
        lab = self.app.lab
        self.background(
            lambda: lab.call("data.row", at=row.at, **view.params), self._show_row, group="row", failed=self._row_failed
        )

    def _show_row(self, reply: dict[str, Any]) -> None:
        fields = [Field(str(field["name"]), str(field["text"]), field["characters"]) for field in reply["fields"]]
        self.query_one(RowDetail).show(f"row {reply['row']:,}", fields)

    def _row_failed(self, error: WorkbenchError) -> None:
        self.query_one(RowDetail).show("", [Field("", error.sentence, 0)])

    # -- figures -------------------------------------------------------------------------------------------------

    def _measure(self, view: View) -> None:
        figures, lab = self.query_one(SplitFigures), self.app.lab
        figures.show(None, self._facts["notes"])
        waiting = self.set_timer(_PATIENCE, lambda: figures.show(None, self._facts["notes"], "counting …"))

        def show(stats: dict[str, Any]) -> None:
            waiting.stop()
            self._labels = stats["labels"] or {}
            self._facts["notes"] = stats["notes"]
            figures.show(stats, stats["notes"])
            self.refresh_footer()

        def fail(error: WorkbenchError) -> None:
            waiting.stop()
            figures.show(None, self._facts["notes"], error.sentence)

        self.background(lambda: lab.call("data.stats", **view.params), show, group="stats", failed=fail)

    # -- keys ----------------------------------------------------------------------------------------------------

    def why_not(self, id: str) -> str | None:
        if id != "data.source" and self._view is None and id.startswith(("data.", "pane.")) and id != "pane.back":
            return "Nothing is open: o opens a file, a recipe or a run"
        if id == "data.split" and len(self._facts.get("splits", ())) < 2:
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
        value = self._opened.name if self._opened else ""
        self.app.ask_user(Prompt(title, value=value, instead=True), self._source_written)

    def _source_written(self, answer: str | None) -> None:
        if answer and answer.strip():
            self._open(Opened.parse(answer, self.app.home.path))

    def action_split(self) -> None:
        splits = self._facts["splits"]
        assert self._view is not None
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

    def _with_row(self, then: Callable[[dict[str, Any]], object]) -> None:
        """Fetch the row under the cursor, whole, and hand it to `then`."""
        row, view, lab = self.table.row, self._view, self.app.lab
        if row is None or view is None:
            return
        params = view.params | {"at": row.at, "limit": _WHOLE}
        self.background(lambda: lab.call("data.row", **params), then, group="text")

    def _hand_over(self, reply: dict[str, Any]) -> None:
        assert self._view is not None
        opened, passage = self._view.opened, reply["passage"]
        self.app.selection.hand_over(
            Passage(
                text=str(passage["text"])[:_WHOLE],
                pair=passage.get("pair"),
                source=f"{self._facts['name']}/{self._view.split} row {reply['row']:,}",
                label=str(reply["label"] or ""),
                tokenizer=opened.name if opened.kind == "run" else self._facts["tokenizer"],
                max_length=self._facts["max_length"],
                learnt=_learnt(passage),
            )
        )
        self.app.go("tokens")

    def action_next(self) -> None:
        detail = self.query_one(RowDetail)
        self.set_focus(self.table if detail.has_focus else detail)


def _learnt(passage: Mapping[str, Any]) -> PassageTargets:
    spans = tuple((int(n), int(start), int(end), str(name)) for n, start, end, name in passage.get("spans") or ())
    spaced = bool(passage.get("spaced", True))
    return PassageTargets(spans, bool(passage.get("words")), spaced, str(passage.get("rest") or ""))


def _text(reply: dict[str, Any]) -> str:
    """The row's text; where no column is it, every field."""
    fields = reply["fields"]
    chosen = [field for field in fields if field["name"] == reply["text"]] or fields
    return "\n".join(str(field["text"]) for field in chosen)


def _report(opened: Opened, home: Home) -> DataReport:
    """Of a run what it found when it began; of a recipe what its check finds. Blocks. Raises WorkbenchError."""
    if opened.kind == "run":
        return of_run(home.runs / opened.name)
    return preflight(Experiment.read(expanded(opened.name).absolute()), home).data
