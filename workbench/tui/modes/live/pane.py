"""The Live pane: a run as it trains, with the marked ones laid over it."""

from __future__ import annotations

import time
from dataclasses import replace

from textual import events
from textual.app import ComposeResult
from textual.containers import Grid

from workbench.contracts.events import WORKING_STATES
from workbench.core.errors import UnknownRun, WorkbenchError
from workbench.core.rundir import RunDir
from workbench.display.run_labels import full_label, short_name
from workbench.tui import run_actions
from workbench.tui.bindings import LIVE, textual_bindings
from workbench.tui.feed import FeedSnapshot
from workbench.tui.modes.live.charts import AXES, CHARTS, SMOOTHINGS, ChartView, counted, neighbour, specs
from workbench.tui.modes.live.requests import Curve, LiveBody, LiveRequest, tail
from workbench.tui.modes.live.run_bar import RunBar
from workbench.tui.modes.live.tail import Tail
from workbench.tui.pane import Pane
from workbench.tui.widgets.chart import Chart

# How often the first chart is drawn anew, and the others (seconds): drawing costs what training needs.
_PACE, _UNHURRIED = {CHARTS[0]: 0.2}, 1.0
# How many drawn points a direction moves what is read by.
_READ = {"left": -1, "right": 1, "page_up": -10, "page_down": 10, "top": -(1 << 30), "bottom": 1 << 30}


class LivePane(Pane):
    """Progress, the charts, the foot."""

    MODE = "live"
    BINDINGS = textual_bindings(LIVE)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]
    DEFAULT_CSS = """
    LivePane {
        & Grid { grid-size: 2 2; grid-rows: 3fr 2fr; grid-gutter: 0 1; height: 1fr; }
        & Chart { display: none; }
        & .-first { display: block; }
        &.-wide Grid { grid-size: 10 2; }
        &.-wide Chart { display: block; column-span: 2; }
        &.-wide #loss, &.-wide #evaluation { column-span: 5; }
        &.-wide #memory, &.-wide #load { column-span: 2; }
        & Grid.-one { grid-size: 1 1; grid-rows: 1fr; }
        & Grid.-one Chart { display: none; }
        & Grid.-one Chart.-shown { display: block; column-span: 1; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.look = ChartView()
        self._window: tuple[int, int] | None = None
        self._columns = 80
        self._kept: dict[tuple[str, str], tuple[object, Curve]] = {}  # series that have not changed
        self.body: LiveBody | None = None
        self._focus: int | None = None
        self._drawn: dict[str, float] = {}
        self._waiting = False
        self._follows = False  # the window ends with the newest step, and goes on with it
        self._moved = False  # the user has asked for another window: all charts follow at once

    def compose_body(self) -> ComposeResult:
        plain = self.app.slow_link
        yield RunBar(plain=plain)
        with Grid():
            for number, name in enumerate(CHARTS):
                yield Chart(id=name.replace(" ", "-"), classes="-first" if number < 4 else "", plain=plain)
        yield Tail()

    def on_mount(self) -> None:
        if self.app.selection.run is None:
            self._say_no_run()

    def _say_no_run(self) -> None:
        self.say_empty("No run chosen", "1  choose one in Runs with enter", "1 n  start one from a recipe")

    # -- the feed ------------------------------------------------------------------------------------------------

    def request(self) -> LiveRequest | None:
        selection = self.app.selection
        if selection.run is None:
            return None
        window = self._window
        follow = window[1] - window[0] if window and self._follows else None
        runs = self.app.home.runs
        return LiveRequest(runs, selection.run, selection.marks, self._columns, window, follow, self._kept)

    def on_snapshot(self, snapshot: FeedSnapshot) -> None:
        if not isinstance(snapshot.body, LiveBody):
            self._say_no_run()
            return
        body, before = snapshot.body, self.body
        self.body = body
        self.say_empty(None)
        self.query_one(RunBar).tell(body)
        self.query_one(Tail).tell(body)
        if before is None or before.tracks != body.tracks or before.window != body.window:
            self._draw_charts(now=self._moved)
            self._moved = False
        self._say_where(body)
        if before is None or before.run.state != body.run.state:
            self.refresh_footer()

    def on_feed_error(self, error: WorkbenchError) -> None:
        if isinstance(error, UnknownRun):
            self.say_empty(error.what, "1  choose another")
        else:
            super().on_feed_error(error)

    def _say_where(self, body: LiveBody) -> None:
        run = body.run
        over = f"with {len(body.tracks) - 1} marked" if len(body.tracks) > 1 else short_name(run.model)
        at = [f"at step {self.look.at:,}"] if self.look.at is not None else []
        self.crumbs(run.name, *filter(None, [body.news.apart.get(run.id)]), run.id, over, *at)
        self.crumbs_right(counted(body, [name for name in CHARTS if self._chart(name).display]))

    # -- drawing -------------------------------------------------------------------------------------------------

    def _draw_charts(self, *, now: bool = False) -> None:
        """Draw what is on screen, each chart no more often than it needs; the rest is drawn when its time comes."""
        if self.body is None:
            return
        clock = time.monotonic()
        shown = [name for name in CHARTS if self._chart(name).display]
        waits = {
            name: 0.0 if now else self._drawn.get(name, 0.0) + _PACE.get(name, _UNHURRIED) - clock for name in shown
        }
        due = [name for name in shown if waits.get(name, 0.0) <= 0]
        for name, spec in specs(self.body, self.look, due).items():
            self._chart(name).draw(spec)
            self._drawn[name] = clock
        if len(due) < len(shown) and not self._waiting:
            self._waiting = True
            self.set_timer(min(waits[name] for name in shown if name not in due), self._draw_the_rest)

    def _draw_the_rest(self) -> None:
        self._waiting = False
        self._draw_charts()

    def _chart(self, name: str) -> Chart:
        return self.query_one(f"#{name.replace(' ', '-')}", Chart)

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(Tail).allow_tall(event.size.height >= 36)
        self.call_after_refresh(self._draw_charts, now=True)  # other charts may be on screen
        self._ask_for_columns()

    def _ask_for_columns(self) -> None:
        """As many points as the widest chart on screen can show."""
        columns = max(40, self.size.width if self._focus is not None else self.size.width // 2)
        if columns != self._columns:
            self._columns = columns
            self.ask()

    def on_run_changed(self, run: str | None) -> None:
        self._window, self._follows = None, False
        self._moved = False
        self.body, self._kept = None, {}
        self.look = replace(self.look, at=None)
        self.say_empty("Loading …") if run else self._say_no_run()
        self.ask()

    def on_marks_changed(self, marks: tuple[str, ...]) -> None:
        self.ask()

    # -- keys ----------------------------------------------------------------------------------------------------

    def why_not(self, id: str) -> str | None:
        body = self.body
        if body is None:
            return None if id.startswith("pane.") else "No run chosen: 1 lists them"
        live = body.run.state in WORKING_STATES
        if id == "live.stop" and not live:
            return f"{body.run.name} is not running: it is {body.run.state}"
        if id == "live.resume" and (live or body.run.state == "completed"):
            return f"{body.run.name} is {body.run.state}: there is nothing to resume"
        return None

    def _restyle(self, look: ChartView, said: str) -> None:
        self.look = look
        self._draw_charts(now=True)
        self.app.notify(said, timeout=2)

    def action_log(self) -> None:
        log = not self.look.log
        self._restyle(replace(self.look, log=log), "y logarithmic" if log else "y linear")

    def action_smooth(self) -> None:
        at = SMOOTHINGS.index(self.look.smoothing)
        smoothing = SMOOTHINGS[(at + 1) % len(SMOOTHINGS)]
        self._restyle(replace(self.look, smoothing=smoothing), f"smoothing {smoothing:g}" if smoothing else "raw")

    def action_axis(self) -> None:
        axis = AXES[(AXES.index(self.look.axis) + 1) % len(AXES)]
        self._restyle(replace(self.look, axis=axis), f"x by {axis}")

    def action_read(self) -> None:
        """Read the values at a step, or the newest again."""
        if self.look.at is not None or self.body is None:
            self._point(None)
        else:
            low, high = self._shown()
            self._point(neighbour(self.body, int((low + high) / 2), 0))

    def _point(self, step: int | None) -> None:
        self.look = replace(self.look, at=step)
        self._draw_charts(now=True)
        if self.body is not None:
            self._say_where(self.body)

    def action_enlarge(self) -> None:
        at = -1 if self._focus is None else self._focus
        self._focus = at + 1 if at + 1 < len(CHARTS) else None
        self._show_focus()

    def _show_focus(self) -> None:
        self.query_one(Grid).set_class(self._focus is not None, "-one")
        for number, name in enumerate(CHARTS):
            self._chart(name).set_class(number == self._focus, "-shown")
        if self.body is not None:
            self.call_after_refresh(self._say_where, self.body)
        self._draw_charts(now=True)
        self._ask_for_columns()

    def step_back(self) -> bool:
        if self.look.at is not None:
            self._point(None)
            return True
        if self._focus is not None:
            self._focus = None
            self._show_focus()
            return True
        if self._window is not None:
            self.action_zoom_all()
            return True
        return False

    def action_copy(self) -> None:
        if self.body is not None:
            self.app.copy(self.body.run.id)

    def action_output(self) -> None:
        from workbench.tui.modes.live.console import OutputScreen

        body = self.body
        if body is not None:
            console = RunDir(self.app.home.runs / body.run.id).console
            self.background(
                lambda: tail(console, 2000), lambda lines: self.app.push_screen(OutputScreen(body, lines)), group="out"
            )

    # -- zoom and pan --------------------------------------------------------------------------------------------

    def _zoom(self, low: float, high: float) -> None:
        """Show steps `low` to `high`, kept within what there is."""
        last = float(max((track.run.step or 0) for track in self.body.tracks)) if self.body else 0.0
        width = max(4.0, high - low)
        low = max(0.0, min(low, max(0.0, last - width)))
        window = None if low <= 0 and width >= last else (int(low), int(low + width))
        goes_on = self.body is not None and self.body.run.state in WORKING_STATES
        self._show_window(window, follows=goes_on and window is not None and window[1] >= last)

    def _show_window(self, window: tuple[int, int] | None, *, follows: bool = False) -> None:
        self._moved = (window, follows) != (self._window, self._follows)
        self._window, self._follows = window, follows
        self.ask()

    def _shown(self) -> tuple[float, float]:
        assert self.body is not None
        last = max((track.run.step or 0) for track in self.body.tracks)
        low, high = self.body.window
        return float(low), float(min(high, last) if self._window is None else high)

    def action_zoom_in(self) -> None:
        low, high = self._shown()
        last = max((track.run.step or 0) for track in self.body.tracks) if self.body else 0
        quarter = (high - low) / 4
        newest = high >= last and self.body is not None and self.body.run.state in WORKING_STATES
        self._zoom(*((low + 2 * quarter, high) if newest else (low + quarter, high - quarter)))

    def action_zoom_out(self) -> None:
        low, high = self._shown()
        half = (high - low) / 2
        self._zoom(low - half, high + half)

    def action_zoom_all(self) -> None:
        self._show_window(None)

    def move(self, direction: str) -> None:
        """Left and right move what is read, else they pan a chart that is zoomed in."""
        if self.look.at is not None and self.body is not None and direction in _READ:
            self._point(neighbour(self.body, self.look.at, _READ[direction]))
        elif self._window is not None and direction in ("left", "right"):
            low, high = self._shown()
            by = (high - low) / 4 * (1 if direction == "right" else -1)
            self._zoom(low + by, high + by)

    # -- the run -------------------------------------------------------------------------------------------------

    def action_stop(self) -> None:
        if self.body is not None:
            run_actions.stop(self, self.body.run, full_label(self.body.run))

    def action_resume(self) -> None:
        if self.body is not None:
            run_actions.resume(self, self.body.run, full_label(self.body.run))
