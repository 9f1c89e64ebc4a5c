"""The Try pane: type and see what one model, or two side by side, make of it."""

from __future__ import annotations

from collections.abc import Mapping

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import TextArea

from workbench.core.errors import WorkbenchError
from workbench.tui.bindings import TRY, textual_bindings
from workbench.tui.feed import FeedRequest, FeedSnapshot
from workbench.tui.modals import Pick, Prompt
from workbench.tui.modes.try_.composer import Composer
from workbench.tui.modes.try_.model_side import ModelSide, Typed
from workbench.tui.modes.try_.requests import TryRequest, TryView, Where, named, offers
from workbench.tui.modes.try_.sampling_controls import KNOBS, Knobs, set_from
from workbench.tui.modes.try_.typed_history import History
from workbench.tui.offers import Offer
from workbench.tui.pane import Pane
from workbench.tui.selection import Passage

# Seconds after the last key before the text is asked about.
DEBOUNCE = 0.12
_LEFT, _RIGHT = "left", "right"
_PLACEHOLDER = "Type a text. enter keeps it, or lets a language model go on from it; ↑ recalls; esc leaves the text."
_SECOND = {"context": "The context the answer is in.", "text_pair": "The second text of the pair."}


class TryPane(Pane):
    """`_chosen` is what ctrl+o and ctrl+t have put on a side, in place of the current and the marked run."""

    MODE = "try"
    BINDINGS = textual_bindings(TRY)
    AUTO_FOCUS = "#prompt"
    DEFAULT_CSS = """
    TryPane #second { display: none; margin: 1 0 0 0; }
    TryPane.-pair #second { display: block; }
    TryPane Knobs { display: none; padding: 0 1; }
    TryPane.-language Knobs { display: block; }
    TryPane #sides { height: 1fr; margin: 1 0 0 0; }
    TryPane #right { display: none; border-left: solid $primary 40%; }
    TryPane.-two #right { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._view = TryView()
        self._chosen: dict[str, Where | None] = {}
        self._debounce: Timer | None = None
        self._knobs_of: str | None = None
        self._stand_in: str | None = None

    def compose_body(self) -> ComposeResult:
        home = self.app.home.path
        self._composer = Composer(History(home / "try.jsonl"), id="prompt", placeholder=_PLACEHOLDER)
        self._second = Composer(History(home / "try-second.jsonl"), id="second")
        yield self._composer
        yield self._second
        yield Knobs(id="knobs")
        with Horizontal(id="sides"):
            yield ModelSide(self._typed_now, id=_LEFT)
            yield ModelSide(self._typed_now, id=_RIGHT)

    def _typed_now(self) -> Typed:
        return self._composer.raw, self._second.raw

    @property
    def _knobs(self) -> Knobs:
        return self.query_one(Knobs)

    @property
    def _sides(self) -> tuple[ModelSide, ModelSide]:
        return self._side(_LEFT), self._side(_RIGHT)

    def _side(self, side: str) -> ModelSide:
        return self.query_one(f"#{side}", ModelSide)

    # -- which models --------------------------------------------------------------------------------------------

    def request(self) -> FeedRequest:
        return TryRequest(self.app.selection.run or self._stand_in, self.app.selection.marks)

    def on_run_changed(self, run: str | None) -> None:
        self._chosen.pop(_LEFT, None)
        self.ask()

    def on_marks_changed(self, marks: tuple[str, ...]) -> None:
        self._chosen.pop(_RIGHT, None)
        self.ask()

    def on_snapshot(self, snapshot: FeedSnapshot) -> None:
        assert isinstance(snapshot.body, TryView)
        self._view = snapshot.body
        if self._view.run is not None and self._stand_in is None:
            # Without a choice the newest run stands in, and stays: another may finish while one types.
            self._stand_in = self._view.run.id
        self._arrange()
        if self.request() != snapshot.request:
            self.ask()

    def _arrange(self) -> None:
        """Put on each side what belongs there now."""
        run, marked = self._view.run, self._view.marked
        left = self._chosen.get(_LEFT) or (run.where if run else None)
        right = self._chosen[_RIGHT] if _RIGHT in self._chosen else (marked[0].where if marked else None)
        right = None if right == left else right
        if left is None:
            self.say_empty("No model yet", "1  choose a run", "^o  open a run, a checkpoint or a directory")
            return
        self.say_empty(None)
        self.set_class(right is not None, "-two")
        self._put(self._side(_LEFT), left)
        self._put(self._side(_RIGHT), right)
        self._make_room_for_two()
        self._set_knobs()
        self.crumbs(left.title, *([f"beside {right.title}"] if right else []))

    def _put(self, side: ModelSide, where: Where | None) -> None:
        if where is None:
            side.clear()
        elif side.where != where:
            side.load(where)

    def _set_knobs(self) -> None:
        """A run's own settings once, when it becomes the current one."""
        run = self._view.run
        if run is not None and self._knobs_of != run.id:
            self._knobs_of = run.id
            self._knobs.set_knobs(set_from(KNOBS, run.generate))

    @on(ModelSide.ModelLoaded)
    def _loaded(self, event: ModelSide.ModelLoaded) -> None:
        self.set_class(any(side.generates for side in self._sides), "-language")
        self._make_room_for_two()
        event.side.predict()

    def _make_room_for_two(self) -> None:
        """A second text where a model wants one; that of a run is known before its weights are loaded."""
        second = {name for side in self._sides if side.model for name in side.model.fields[1:]}
        run = self._view.run
        if run is not None and self._side(_LEFT).model is None and self._side(_LEFT).where == run.where:
            second |= {run.second} - {""}
        self.set_class(bool(second), "-pair")
        self._second.placeholder = next((_SECOND[name] for name in sorted(second) if name in _SECOND), "")

    # -- asking --------------------------------------------------------------------------------------------------

    @on(TextArea.Changed)
    def _typed(self) -> None:
        if self._debounce is not None:
            self._debounce.stop()
        self._debounce = self.set_timer(DEBOUNCE, self._predict)

    def _predict(self) -> None:
        for side in self._sides:
            side.predict()

    @on(Composer.Sent)
    def _sent(self, event: Composer.Sent) -> None:
        if not event.text.strip():
            return
        try:
            event.composer.keep()
        except OSError as error:
            self.app.complain(WorkbenchError(f"the history cannot be kept ({error})"))
        for side in self._sides:
            if side.where is not None:
                side.predict()
                side.generate(self._composer.raw, self._knobs.values)

    @on(ModelSide.Running)
    def _say_running(self) -> None:
        running = any(side.generation for side in self._sides)
        self.crumbs_right("generating: esc stops" if running else "")

    def on_passage_changed(self, passage: Passage | None) -> None:
        if passage is not None:
            self._composer.load(passage.text)
            self._second.load(passage.pair or "")

    # -- keys ----------------------------------------------------------------------------------------------------

    def step_back(self) -> bool:
        stopped = [side.stop() for side in self._sides]
        if any(stopped):
            return True
        if self.focused is None:
            return False
        self.set_focus(None)
        return True

    def action_open(self) -> None:
        if isinstance(self.focused, Knobs):
            self.focused.open()
        else:
            self.action_write()

    def action_write(self) -> None:
        if not self.has_class("-empty"):
            self.set_focus(self._composer)

    def action_newline(self) -> None:
        self._composer.insert("\n")

    def action_next(self) -> None:
        self.focus_next()

    def action_copy(self) -> None:
        """What the side with the focus, else the left, shows."""
        around = self.focused.ancestors_with_self if self.focused else []
        side = next((node for node in around if isinstance(node, ModelSide)), self._side(_LEFT))
        if side.shown:
            self.app.copy(side.shown)

    @on(Knobs.Typed)
    def _type_knob(self, event: Knobs.Typed) -> None:
        knob = self._knobs.knobs[event.place]
        self.app.ask_user(
            Prompt(f"{knob.label}, {knob.low:g} to {knob.high:g}", value=knob.text, check=knob.parse, instead=True),
            lambda text: self._knobs.put(event.place, knob.set_to(knob.parse(text or ""))),
        )

    def action_reload(self) -> None:
        for side in self._sides:
            if side.where is not None:
                side.load(side.where)

    def action_model(self) -> None:
        self._choose(_LEFT, "The model to try", [])

    def action_beside(self) -> None:
        self._choose(_RIGHT, "Beside it", [Offer("nothing", "")])

    def _choose(self, side: str, title: str, first: list[Offer]) -> None:
        """Ask which model belongs on a side, by one of those that can be loaded or by name."""
        home, view, known = self.app.home, self._view, dict[str, Where]()
        other = self._side(_LEFT).where if side == _RIGHT else None  # a model beside itself says nothing

        def look() -> list[Offer]:
            known.update({place.title: place for place in offers(home, view) if place != other})
            return [*first, *(Offer(_with_id(place), title) for title, place in known.items())]

        picker = Pick(title, look, placeholder="a run, a checkpoint or a model directory")
        self.app.ask_user(picker, lambda text: self._picked(side, known, text or ""))

    def _picked(self, side: str, known: Mapping[str, Where], text: str) -> None:
        if text in known or (side == _RIGHT and not text):
            self._take(side, known.get(text))
        else:
            self._named(side, text)

    def _named(self, side: str, text: str) -> None:
        home = self.app.home
        self.background(lambda: named(home, text), lambda where: self._take(side, where), group="named")

    def _take(self, side: str, where: Where | None) -> None:
        self._chosen[side] = where
        self._arrange()


def _with_id(place: Where) -> str:
    """A run's name and id, anything else as it is called."""
    known = place.request.place != "run" or place.request.value in place.title
    return place.title if known else f"{place.title} · {place.request.value}"
