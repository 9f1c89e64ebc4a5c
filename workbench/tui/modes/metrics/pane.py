"""The Metrics pane: runs by metrics; the confusion matrix, its classes and its rows; a language model's scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container

from workbench.core.errors import WorkbenchError
from workbench.core.text import cells, clean
from workbench.display.paired import sentence
from workbench.display.spans import plain
from workbench.tui.bindings import METRICS, textual_bindings
from workbench.tui.feed import Request, Snapshot
from workbench.tui.modes.metrics.confusion_matrix import ClassTable, ConfusionMatrix
from workbench.tui.modes.metrics.curve_view import CurveView
from workbench.tui.modes.metrics.evaluation_list import SampleList, ScoreRows
from workbench.tui.modes.metrics.metric_table import MetricTable, figure
from workbench.tui.modes.metrics.prediction_rows import PAGE, PredictedRow, PredictionRows
from workbench.tui.modes.metrics.requests import Evaluation, Judged, MetricsRequest, MetricsView, Shown
from workbench.tui.pane import Pane
from workbench.tui.selection import Passage
from workbench.tui.widgets.drawing import Caption, Drawing
from workbench.tui.widgets.table import VirtualTable

_PATIENCE = 0.2  # seconds before a wait is said
# What the lower half shows, as a class of the pane.
_PARTS = ("-classes", "-language", "-unjudged")


def _named(cell: tuple[str | None, str | None]) -> str:
    """Whose rows are open, in words."""
    true, called = cell
    return "worst first" if true is None and called is None else f"{true} called {called}"


def _measured(entry: Evaluation, name: str) -> str:
    """A figure, with its 95 % interval where there is one."""
    said = f"{name.replace('_', ' ')} {figure(entry.values[name])}"
    interval = entry.intervals.get(name)
    return said if interval is None else f"{said} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _fitting(figures: Sequence[str], room: int) -> str:
    """As many of the first figures as there is room for, at least one."""
    said = "".join(figures[:1])
    for figure_ in figures[1:]:
        longer = f"{said}  {figure_}"
        said = longer if cells(longer) <= room else said
    return said


class MetricsPane(Pane):
    """`_cell` is the cell whose rows are open, as (true, called); None in it is any."""

    MODE = "metrics"
    BINDINGS = textual_bindings(METRICS)
    AUTO_FOCUS = "#metrics"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]
    DEFAULT_CSS = """
    MetricsPane #metrics { height: auto; max-height: 7; }
    MetricsPane.-wide #metrics { max-height: 30%; }
    MetricsPane Caption { height: 1; margin: 0 0; background: $boost; }
    MetricsPane #paired { display: none; }
    MetricsPane.-paired #paired { display: block; }
    MetricsPane #judged { layout: vertical; height: 1fr; padding: 0 1; }
    MetricsPane.-wide #judged { layout: horizontal; }
    MetricsPane #confusion { height: auto; max-height: 55%; margin: 0 0 1 0; }
    MetricsPane #classes { height: 1fr; }
    MetricsPane.-wide #confusion { width: auto; max-width: 55%; height: 1fr; max-height: 100%; margin: 0 2 0 0; }
    MetricsPane.-wide #classes { width: 1fr; }
    MetricsPane #scores { height: auto; max-height: 50%; margin: 0 0 1 0; }
    MetricsPane.-wide #scores { width: 50%; max-height: 100%; }
    MetricsPane #judged > * { display: none; }
    MetricsPane.-classes #confusion, MetricsPane.-classes #classes { display: block; }
    MetricsPane.-language #scores, MetricsPane.-language #samples { display: block; }
    MetricsPane.-rows #classes, MetricsPane.-rows #samples { display: none; }
    MetricsPane.-rows #confusion { max-height: 40%; }
    MetricsPane.-rows.-wide #confusion { max-height: 100%; }
    MetricsPane.-rows #rows { display: block; height: 1fr; }
    MetricsPane.-rows.-narrow #metrics, MetricsPane.-rows.-narrow #scores { display: none; }
    MetricsPane.-mute #samples { display: none; }
    MetricsPane.-mute #scores { max-height: 100%; }
    MetricsPane #curves { display: none; height: 1fr; }
    MetricsPane.-unmatched #confusion { display: none; }
    MetricsPane.-curved.-tall #curves { display: block; }
    MetricsPane.-rows #curves { display: none; }
    MetricsPane.-curves #judged { display: none; }
    MetricsPane.-curves #curves { display: block; }
    MetricsPane.-wide CurveView #pictures { grid-size: 3 1; }
    MetricsPane.-wide CurveView #calibration { column-span: 1; }
    MetricsPane.-curves.-narrow #metrics { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._view = MetricsView()
        self._split: str | None = None
        self._shown: Shown = "best"
        self._cell: tuple[str | None, str | None] | None = None
        self._paired: tuple[str, ...] = ()
        self._stand_in: str | None = None

    def compose_body(self) -> ComposeResult:
        yield MetricTable(id="metrics")
        yield Caption(id="about")
        yield Caption(id="paired")
        with Container(id="judged"):
            yield ConfusionMatrix(id="confusion")
            yield ClassTable(id="classes")
            yield VirtualTable(id="scores")
            yield SampleList(id="samples")
            yield PredictionRows(id="rows")
        yield CurveView(id="curves", plain=self.app.slow_link)

    # -- news ----------------------------------------------------------------------------------------------------

    def request(self) -> Request:
        selection = self.app.selection
        return MetricsRequest(selection.run or self._stand_in, selection.marks, self._split, self._shown)

    def on_run_changed(self, run: str | None) -> None:
        self._close_rows()
        self.ask()

    def on_marks_changed(self, marks: tuple[str, ...]) -> None:
        self.ask()

    def on_snapshot(self, snapshot: Snapshot) -> None:
        assert isinstance(snapshot.body, MetricsView)
        self._view = snapshot.body
        if self._view.judged is None:
            self.say_empty("No run has been evaluated yet", "1  choose a run", "n  there starts one from a recipe")
            return
        if self._stand_in is None:
            # Without a choice the newest run stands in, and stays: another may be judged while one reads.
            self._stand_in = self._view.judged.run_id
        self.say_empty(None)
        self.query_one(MetricTable).put(self._view.rows, self._view.columns)
        count = len(self._view.rows)
        self.crumbs_right(f"{self._shown} of {count} runs" if count > 1 else f"{self._shown} numbers")
        self._show_judged(self._view.judged)
        self._compare()
        if self.request() != snapshot.request:
            self.ask()

    def _show_judged(self, judged: Judged) -> None:
        if self._split not in judged.splits:
            self._split = next(iter(judged.splits), None)
        entry = judged.shown(self._split) if self._split else None
        self._crumbs(judged, entry)
        if entry is None:
            self._part("-unjudged")
        elif entry.classes:
            self._show_classes(entry)
            self._show_curves(entry)
        else:
            self._part("-language")
            scores = [each.scores for each in judged.of_split(entry.split)]
            self.query_one("#scores", VirtualTable).show(ScoreRows(scores, entry.step))
            self.query_one(SampleList).show(judged.samples)
            self.set_class(not judged.samples, "-mute")
        self.query_one("#about", Caption).show(*self._about(judged, entry))
        self.refresh_footer()

    def _show_classes(self, entry: Evaluation) -> None:
        self._part("-classes")
        matrix = self.query_one(ConfusionMatrix)
        matrix.show(entry.confusion)
        self.set_class(entry.confusion is None, "-unmatched")
        self.query_one(ClassTable).put(entry.classes, matrix.cursor[0])

    def _show_curves(self, entry: Evaluation) -> None:
        curved = entry.curves is not None
        self.set_class(curved, "-curved")
        if entry.curves is not None:
            self.query_one(CurveView).show(entry.curves, entry.values)
        else:
            self._close_curves()
        self._share_height(entry, curved=curved)

    def _share_height(self, entry: Evaluation, *, curved: bool) -> None:
        """On a tall screen the curves get what the classes leave."""
        below = curved and self.has_class("-tall") and not self.has_class("-rows")
        wanted = len(entry.classes) + 5 if self.has_class("-wide") else 2 * len(entry.classes) + 8
        self.query_one("#judged").styles.height = min(wanted, self.size.height // 2) if below else None

    def _part(self, part: str) -> None:
        for name in _PARTS:
            self.set_class(name == part, name)
        if part != "-classes":
            self._close_rows()
            self._close_curves()
            self.remove_class("-curved")
            self.query_one("#judged").styles.height = None
        if self.focused is not None and self.focused not in self.focus_chain:
            self.set_focus(self.query_one(MetricTable))

    def _crumbs(self, judged: Judged, entry: Evaluation | None) -> None:
        cell = [_named(self._cell)] if self._cell else []
        self.crumbs(judged.name, *([entry.split] if entry else []), *cell)

    def _about(self, judged: Judged, entry: Evaluation | None) -> tuple[str, str]:
        """What the lower half is about, and its main figures."""
        if entry is None:
            return f"{judged.name} ({judged.state}) has not been evaluated yet: 2 shows it as it trains", ""
        epoch = "" if entry.epoch is None else f", epoch {entry.epoch:.4g}"
        counted = f" · {entry.rows} rows" if entry.rows else ""
        about = f"{entry.split} · step {entry.step}{epoch}{counted}"
        return about, _fitting([_measured(entry, name) for name in entry.main], self.size.width - cells(about) - 6)

    # -- two runs ------------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        """Say how the current run does on the rows of the first marked one."""
        judged, split = self._view.judged, self._split
        marked = next((row for row in self._view.rows if row.marked and not row.current), None)
        if judged is None or split is None or marked is None:
            self._paired = ()
            self.remove_class("-paired")
            return
        asked = (marked.run_id, judged.run_id, split)
        if asked == self._paired:
            return
        self._paired = asked
        lab = self.app.lab
        self.background(
            lambda: lab.call("predictions.compare", before=asked[0], after=asked[1], split=split),
            lambda record: self._say_paired(asked, f"against {marked.name}", sentence(record)),
            group="paired",
            failed=lambda error: self._say_paired(asked, f"against {marked.name}", error.sentence),
        )

    def _say_paired(self, asked: tuple[str, ...], against: str, said: str) -> None:
        if asked == self._paired:
            self.query_one("#paired", Caption).show(clean(against), clean(said))
            self.add_class("-paired")

    # -- the cell's rows -----------------------------------------------------------------------------------------

    @on(ConfusionMatrix.Moved)
    def _moved(self, event: ConfusionMatrix.Moved) -> None:
        self.query_one(ClassTable).move_to(event.row)

    @on(ConfusionMatrix.Opened)
    def _open_cell(self, event: ConfusionMatrix.Opened) -> None:
        if not event.count:
            self.app.notify(f"No row that is {event.true} was called {event.called}")
            return
        self._open_rows((event.true, event.called))

    def action_worst(self) -> None:
        self._open_rows((None, None))

    def _open_rows(self, cell: tuple[str | None, str | None]) -> None:
        self._cell = cell
        self._close_curves()
        self.query_one(PredictionRows).clear_rows()
        self.add_class("-rows")
        self.query_one("#judged").styles.height = None
        self.set_timer(_PATIENCE, lambda: self._say_reading(cell))
        self._fetch(0)
        self._refresh_crumbs()
        self.set_focus(self.query_one(PredictionRows))

    def _say_reading(self, cell: tuple[str | None, str | None]) -> None:
        rows = self.query_one(PredictionRows)
        if self._cell == cell and not rows.total:
            rows.say("reading the rows …")

    @on(VirtualTable.Wanted)
    def _wanted(self, event: VirtualTable.Wanted) -> None:
        self._fetch(event.offset)

    def _fetch(self, offset: int) -> None:
        judged, split, cell = self._view.judged, self._split, self._cell
        if judged is None or split is None or cell is None:
            return
        run = str(self.app.home.runs / judged.run_id)
        lab = self.app.lab
        self.background(
            lambda: lab.call(
                "predictions.page",
                run=run,
                split=split,
                label=cell[0],
                prediction=cell[1],
                sort="loss",
                offset=offset,
                limit=PAGE,
            ),
            lambda page: self._add_page(offset, page),
            group="rows",
            failed=self._no_rows,
        )

    def _add_page(self, offset: int, page: dict[str, Any]) -> None:
        rows = [PredictedRow.parse(record) for record in page["rows"]]
        self.query_one(PredictionRows).add_page(offset, rows, int(page["total"]))
        if not rows and not offset:
            self._no_rows(WorkbenchError(f"the kept predictions have no row of {_named(self._cell or (None, None))}"))
        self.refresh_footer()

    def _no_rows(self, error: WorkbenchError) -> None:
        self._close_rows()
        self.app.complain(error)

    def _close_rows(self) -> None:
        self._cell = None
        self.remove_class("-rows")
        if self.focused is not None and self.focused.id == "rows":
            matrix = self.query_one(ConfusionMatrix)
            self.set_focus(matrix if matrix.display else self.query_one(MetricTable))
        self.query_one(PredictionRows).clear_rows()
        self._refresh_crumbs()

    def _refresh_crumbs(self) -> None:
        judged = self._view.judged
        if judged is not None:
            self._crumbs(judged, judged.shown(self._split) if self._split else None)
        self.refresh_footer()

    def step_back(self) -> bool:
        if self.has_class("-curves"):
            self._close_curves()
        elif self.has_class("-rows"):
            self._close_rows()
            self._lay()
        else:
            return False
        return True

    def _lay(self) -> None:
        """Share the screen anew among what is shown."""
        judged = self._view.judged
        entry = judged.shown(self._split) if judged and self._split else None
        if entry is not None and entry.classes:
            self._share_height(entry, curved=entry.curves is not None)

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._resized)

    def _resized(self) -> None:
        self._lay()
        if self._view.judged is not None:
            entry = self._view.judged.shown(self._split) if self._split else None
            self.query_one("#about", Caption).show(*self._about(self._view.judged, entry))

    def _close_curves(self) -> None:
        if self.has_class("-curves"):
            self.remove_class("-curves")
            self.set_focus(self.query_one(MetricTable))
            self.refresh_footer()

    # -- keys ----------------------------------------------------------------------------------------------------

    def why_not(self, id: str) -> str | None:
        judged = self._view.judged
        if id == "metrics.split" and (judged is None or len(judged.splits) < 2):
            return "Only one split was evaluated"
        if id == "metrics.worst" and (judged is None or not (self._split and judged.shown(self._split))):
            return "No rows were judged yet"
        if id == "metrics.curves" and not self.has_class("-curved"):
            return "ROC, PR and calibration are kept of single labels that have probabilities"
        if id == "metrics.predict" and self.query_one(PredictionRows).under is None:
            return "Open rows first: enter on a cell of the matrix, or w for the worst"
        if id == "pane.mark" and not isinstance(self.focused, MetricTable):
            return "Runs are marked in the table of runs: tab goes there"
        return None

    def action_open(self) -> None:
        focused = self.focused
        if isinstance(focused, ConfusionMatrix):
            focused.open()
        elif isinstance(focused, MetricTable) and (row := focused.cursor_row):
            self.app.selection.choose(row.key)
        elif isinstance(focused, PredictionRows) and focused.under is not None:
            self._hand_over(focused.under, "tokens")

    def action_predict(self) -> None:
        row = self.query_one(PredictionRows).under
        if row is not None:
            self._hand_over(row, "try")

    def _hand_over(self, row: PredictedRow, mode: str) -> None:
        judged = self._view.judged
        if judged is None:
            return
        # The two texts of a pair are kept as one, a line feed between them.
        text, feed, second = row.text.partition("\n") if judged.paired else (row.text, "", "")
        self.app.selection.choose(judged.run_id)
        self.app.selection.hand_over(
            Passage(
                text=text,
                pair=second if feed else None,
                source=f"{judged.name}/{self._split} row {row.row}",
                label=row.label,
                prediction=row.prediction,
                tokenizer=judged.run_id,
            )
        )
        self.app.go(mode)

    def action_split(self) -> None:
        judged = self._view.judged
        if judged is None or not judged.splits:
            return
        place = judged.splits.index(self._split) if self._split in judged.splits else -1
        self._split = judged.splits[(place + 1) % len(judged.splits)]
        self._close_rows()
        self.ask()

    def action_curves(self) -> None:
        """The curves in place of the matrix, or back."""
        if self.has_class("-curves"):
            self._close_curves()
            return
        self._close_rows()
        self._lay()
        self.add_class("-curves")
        self.call_after_refresh(self.set_focus, self.query_one(CurveView))
        self.refresh_footer()

    def action_values(self) -> None:
        self._shown = "last" if self._shown == "best" else "best"
        self.ask()

    def action_next(self) -> None:
        self.focus_next()

    def action_mark(self) -> None:
        if (row := self.query_one(MetricTable).cursor_row) is not None:
            self.app.selection.toggle(row.key)

    def action_copy(self) -> None:
        """The text of the row under the cursor, else the drawing that has the focus."""
        row = self.query_one(PredictionRows).under
        if row is not None:
            self.app.copy(clean(row.text, newlines=True))
        elif isinstance(self.focused, Drawing):
            width, height = self.focused.size
            self.app.copy("\n".join(plain(self.focused.lines(max(width, 200), max(height, 200)))))
