"""The Metrics pane: runs by metrics; the confusion matrix, its classes and its rows; a language model's scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container

from workbench.contracts.lab.prediction_requests import (
    PredictedRow,
    PredictionsCompare,
    PredictionsPage,
    PredictionsPageReply,
)
from workbench.core.errors import WorkbenchError
from workbench.core.text import cells, clean
from workbench.display.figures import figure, interval
from workbench.display.paired import sentence
from workbench.display.spans import plain
from workbench.metrics import catalog
from workbench.tui.bindings import METRICS, textual_bindings
from workbench.tui.feed import FeedRequest, FeedSnapshot
from workbench.tui.modes.metrics.confusion_matrix import ClassTable, ConfusionMatrix
from workbench.tui.modes.metrics.curve_view import CurveView
from workbench.tui.modes.metrics.evaluation_list import SampleList, ScoreRows
from workbench.tui.modes.metrics.metric_table import MetricTable
from workbench.tui.modes.metrics.panels import EVERY_ROW, WIDE, Layout, MatrixCell, MetricsState, Panel
from workbench.tui.modes.metrics.prediction_rows import PAGE, PredictionRows
from workbench.tui.modes.metrics.requests import EvaluatedRun, Evaluation, MetricsRequest, MetricsView
from workbench.tui.pane import Pane
from workbench.tui.selection import Passage
from workbench.tui.widgets.drawing import Caption, Drawing
from workbench.tui.widgets.table import VirtualTable

_PATIENCE = 0.2  # seconds before a wait is said
_PARTS = ("metrics", "paired", "evaluation", "confusion", "classes", "scores", "samples", "rows", "curves")


def _measured(entry: Evaluation, name: str) -> str:
    """A figure, with its 95 % interval or why it has none."""
    said = f"{catalog.title(name)} {figure(name, entry.values[name])}"
    if name in entry.intervals:
        return f"{said} {interval(name, *entry.intervals[name])}"
    return f"{said} (no interval: {entry.without_interval[name]})" if name in entry.without_interval else said


def _fitting(figures: Sequence[str], room: int) -> str:
    """As many of the first figures as there is room for, at least one."""
    said = "".join(figures[:1])
    for figure_ in figures[1:]:
        longer = f"{said}  {figure_}"
        said = longer if cells(longer) <= room else said
    return said


class MetricsPane(Pane):
    """The table of runs, and below it a panel: the evaluation of one of them, rows of it, or its curves.

    `state` says what is looked at. Only `_become` changes it, and only `_lay` decides by it what is on screen.
    """

    MODE = "metrics"
    BINDINGS = textual_bindings(METRICS)
    AUTO_FOCUS = "#metrics"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
    DEFAULT_CSS = """
    MetricsPane {
        & #metrics { height: auto; max-height: 7; }
        & Caption { background: $boost; }
        & #evaluation { layout: vertical; height: 1fr; padding: 0 1; }
        & #confusion { height: auto; margin: 0 0 1 0; }
        & #scores { height: auto; margin: 0 0 1 0; }
        &.-wide #metrics { max-height: 30%; }
        &.-wide #evaluation { layout: horizontal; }
        &.-wide #confusion { width: auto; max-width: 55%; height: 1fr; margin: 0 2 0 0; }
        &.-wide #scores { width: 50%; }
        &.-wide #pictures { grid-size: 3 1; }
        &.-wide #calibration { column-span: 1; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.state = MetricsState()
        self._view = MetricsView()
        self._stand_in: str | None = None

    def compose_body(self) -> ComposeResult:
        yield MetricTable(id="metrics")
        yield Caption(id="about")
        yield Caption(id="paired")
        with Container(id="evaluation"):
            yield ConfusionMatrix(id="confusion")
            yield ClassTable(id="classes")
            yield VirtualTable(id="scores")
            yield SampleList(id="samples")
            yield PredictionRows(id="rows")
        yield CurveView(id="curves", plain=self.app.slow_link)

    # -- news ----------------------------------------------------------------------------------------------------

    def request(self) -> FeedRequest:
        selection = self.app.selection
        return MetricsRequest(selection.run or self._stand_in, selection.marks, self.state.split, self.state.shown)

    def on_run_changed(self, run: str | None) -> None:
        self._become(replace(self.state, panel="evaluation"))
        self.ask()

    def on_marks_changed(self, marks: tuple[str, ...]) -> None:
        self.ask()

    def on_snapshot(self, snapshot: FeedSnapshot) -> None:
        assert isinstance(snapshot.body, MetricsView)
        self._view = snapshot.body
        if self._view.evaluated is None:
            self.say_empty("No run has been evaluated yet", "1  choose a run", "n  there starts one from a recipe")
            return
        if self._stand_in is None:
            # Without a choice the newest run stands in, and stays: another may be evaluated while one reads.
            self._stand_in = self._view.evaluated.run_id
        self.say_empty(None)
        self.query_one(MetricTable).put(self._view.rows, self._view.columns)
        count = len(self._view.rows)
        self.crumbs_right(f"{self.state.shown} of {count} runs" if count > 1 else f"{self.state.shown} numbers")
        self._become(self.state.over(self._view.evaluated))
        self._show_evaluation(self._view.evaluated)
        self._compare()
        if self.request() != snapshot.request:
            self.ask()

    @property
    def _entry(self) -> Evaluation | None:
        """The evaluation that is looked at."""
        evaluated, split = self._view.evaluated, self.state.split
        return evaluated.shown(split) if evaluated and split else None

    def _show_evaluation(self, evaluated: EvaluatedRun) -> None:
        entry = self._entry
        if entry is not None and entry.classes:
            matrix = self.query_one(ConfusionMatrix)
            matrix.show(entry.confusion)
            self.query_one(ClassTable).put(entry.classes, matrix.cursor[0])
        elif entry is not None:
            scores = [each.scores for each in evaluated.of_split(entry.split)]
            self.query_one("#scores", VirtualTable).show(ScoreRows(scores, entry.step))
            self.query_one(SampleList).show(evaluated.samples)
        if entry is not None and entry.curves is not None:
            self.query_one(CurveView).show(entry.curves, entry.values)

    # -- what is on screen ---------------------------------------------------------------------------------------

    def _become(self, state: MetricsState) -> None:
        """Look at something else."""
        before, self.state = self.state, state
        self._lay()
        if before.panel != state.panel:
            self._follow(before.panel)

    def _lay(self) -> None:
        evaluated, entry = self._view.evaluated, self._entry
        if evaluated is None:
            return
        layout = Layout.of(self.state, evaluated, entry, *self.size)
        for part in _PARTS:
            self.query_one(f"#{part}").display = part in layout.widgets
        self.query_one("#confusion").styles.max_height = layout.matrix
        self.query_one("#scores").styles.max_height = layout.scores
        self.query_one("#evaluation").styles.height = layout.evaluation
        self.query_one("#about", Caption).show(*self._about(evaluated, entry))
        cell = [self.state.cell.words] if self.state.panel == "rows" else []
        current = next((row.apart for row in self._view.rows if row.current), "")
        self.crumbs(evaluated.name, *filter(None, [current]), *([entry.split] if entry else []), *cell)
        self.refresh_footer()

    def _follow(self, before: Panel) -> None:
        """The keys go to the panel that has opened, or back to where it was opened from."""
        matrix, rows = self.query_one(ConfusionMatrix), self.query_one(PredictionRows)
        if before == "rows":
            rows.clear_rows()
        if self.state.panel == "rows":
            self.set_focus(rows)
        elif self.state.panel == "curves":
            self.set_focus(self.query_one(CurveView))
        elif self.focused is not None and self.focused not in self.focus_chain:
            self.set_focus(matrix if before == "rows" and matrix.display else self.query_one(MetricTable))

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._lay)

    def _about(self, evaluated: EvaluatedRun, entry: Evaluation | None) -> tuple[str, str]:
        """What the panel is about, and its main figures."""
        if entry is None:
            return f"{evaluated.name} ({evaluated.state}) has not been evaluated yet: 2 shows it as it trains", ""
        epoch = "" if entry.epoch is None else f", epoch {entry.epoch:.4g}"
        counted = f" · {entry.rows} rows" if entry.rows else ""
        about = f"{entry.split} · step {entry.step}{epoch}{counted}"
        first, *others = [_measured(entry, name) for name in entry.main] or [""]
        figures = [first, *([entry.unclear] if entry.unclear else []), *others]
        return about, _fitting(figures, self.size.width - cells(about) - 6)

    # -- two runs ------------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        """Say how the current run does on the rows of the first marked one."""
        evaluated, split = self._view.evaluated, self.state.split
        marked = next((row for row in self._view.rows if row.marked and not row.current), None)
        if evaluated is None or split is None or marked is None:
            self._become(replace(self.state, compared=(), comparison=None))
            return
        asked = (marked.run_id, evaluated.run_id, split)
        if asked == self.state.compared:
            return
        self._become(replace(self.state, compared=asked))
        lab, against = self.app.lab, " ".join(filter(None, ("against", marked.name, marked.apart)))
        self.background(
            lambda: lab.ask(PredictionsCompare(*asked)),
            lambda found: self._compared(asked, against, sentence(found)),
            group="paired",
            failed=lambda error: self._compared(asked, against, error.sentence),
        )

    def _compared(self, asked: tuple[str, ...], against: str, said: str) -> None:
        if asked == self.state.compared:
            self.query_one("#paired", Caption).show(against, said)
            self._become(replace(self.state, comparison=(against, said)))

    # -- rows ----------------------------------------------------------------------------------------------------

    @on(ConfusionMatrix.CellMoved)
    def _moved(self, event: ConfusionMatrix.CellMoved) -> None:
        self.query_one(ClassTable).move_to(event.row)

    @on(ConfusionMatrix.CellOpened)
    def _open_cell(self, event: ConfusionMatrix.CellOpened) -> None:
        if event.count:
            self._open_rows(MatrixCell(event.true, event.predicted))
        else:
            self.app.notify(f"No {event.true} row was predicted as {event.predicted}")

    def action_worst(self) -> None:
        self._open_rows(EVERY_ROW)

    def _open_rows(self, cell: MatrixCell) -> None:
        self.query_one(PredictionRows).clear_rows()
        self._become(replace(self.state, panel="rows", cell=cell))
        self.set_timer(_PATIENCE, lambda: self._say_reading(cell))
        self._fetch(0)

    def _say_reading(self, cell: MatrixCell) -> None:
        rows = self.query_one(PredictionRows)
        if self.state.panel == "rows" and self.state.cell == cell and not rows.total:
            rows.say("reading the rows …")

    @on(VirtualTable.Wanted)
    def _wanted(self, event: VirtualTable.Wanted) -> None:
        self._fetch(event.offset)

    def _fetch(self, offset: int) -> None:
        evaluated, split, cell = self._view.evaluated, self.state.split, self.state.cell
        if evaluated is None or split is None or self.state.panel != "rows":
            return
        lab = self.app.lab
        run = str(self.app.home.runs / evaluated.run_id)
        page = PredictionsPage(run, split, cell.true, cell.predicted, offset=offset, limit=PAGE)
        self.background(
            lambda: lab.ask(page),
            lambda reply: self._add_page(offset, reply),
            group="rows",
            failed=self._no_rows,
        )

    def _add_page(self, offset: int, reply: PredictionsPageReply) -> None:
        if reply.rows or offset:
            self.query_one(PredictionRows).add_page(offset, reply.rows, reply.total)
            self.refresh_footer()
        else:
            self._no_rows(WorkbenchError(f"the kept predictions have no row of {self.state.cell.words}"))

    def _no_rows(self, error: WorkbenchError) -> None:
        self._become(replace(self.state, panel="evaluation"))
        self.app.complain(error)

    # -- keys ----------------------------------------------------------------------------------------------------

    def step_back(self) -> bool:
        opened = self.state.panel != "evaluation"
        self._become(replace(self.state, panel="evaluation"))
        return opened

    def why_not(self, id: str) -> str | None:
        evaluated, entry = self._view.evaluated, self._entry
        if id == "metrics.split" and (evaluated is None or len(evaluated.splits) < 2):
            return "Only one split was evaluated"
        if id == "metrics.worst" and entry is None:
            return "No rows have been evaluated yet"
        if id == "metrics.curves" and (entry is None or entry.curves is None):
            return "ROC, PR and calibration need one label a row, and its probabilities"
        if id == "metrics.predict" and self.query_one(PredictionRows).under is None:
            return "Open rows first: enter on a cell of the matrix, or W for the worst"
        if id == "pane.mark" and not isinstance(self.focused, MetricTable):
            return "Only runs can be marked: tab goes to their table"
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
        evaluated = self._view.evaluated
        if evaluated is None:
            return
        # The two texts of a pair are kept as one, a line feed between them.
        text, feed, second = row.text.partition("\n") if evaluated.paired else (row.text, "", "")
        self.app.selection.choose(evaluated.run_id)
        self.app.selection.hand_over(
            Passage(
                text=text,
                pair=second if feed else None,
                source=f"{evaluated.name}/{self.state.split} row {row.row}",
                label=row.label,
                prediction=row.prediction,
                tokenizer=evaluated.run_id,
            )
        )
        self.app.go(mode)

    def action_split(self) -> None:
        evaluated, split = self._view.evaluated, self.state.split
        if evaluated is not None and split is not None:
            following = evaluated.splits[(evaluated.splits.index(split) + 1) % len(evaluated.splits)]
            self._become(replace(self.state, split=following, panel="evaluation"))
            self.ask()

    def action_curves(self) -> None:
        """The curves in place of the evaluation, or back."""
        self._become(replace(self.state, panel="evaluation" if self.state.panel == "curves" else "curves"))

    def action_values(self) -> None:
        self._become(replace(self.state, shown="last" if self.state.shown == "best" else "best"))
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
