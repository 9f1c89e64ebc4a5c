"""What the user has chosen, shared by every pane: the run, the marked runs, the text in hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.signal import Signal

from workbench.contracts.lab.data_requests import NO_TARGETS, TextTargets

if TYPE_CHECKING:
    from textual.app import App


@dataclass(frozen=True, slots=True)
class Passage:
    """A text handed from one pane to another, with what is known of it."""

    text: str
    source: str = ""  # where it comes from, for the breadcrumb: `reviews/train row 17`
    label: str = ""
    pair: str | None = None
    prediction: str = ""
    tokenizer: str | None = None  # a run id, a directory or a hub id; None: the current run's
    max_length: int | None = None
    targets: TextTargets = NO_TARGETS


class Selection:
    """Holds the choice and tells whoever subscribed. All of it belongs to the event loop's thread.

    `run_changed` carries the run's id or None, `marks_changed` the tuple of marked ids in the order of marking,
    `passage_changed` the Passage or None.
    """

    def __init__(self, owner: App[Any]) -> None:
        self.run_changed: Signal[str | None] = Signal(owner, "run")
        self.marks_changed: Signal[tuple[str, ...]] = Signal(owner, "marks")
        self.passage_changed: Signal[Passage | None] = Signal(owner, "passage")
        self._run: str | None = None
        self._marks: tuple[str, ...] = ()
        self._passage: Passage | None = None

    @property
    def run(self) -> str | None:
        """Id of the run that Live, Data, Metrics and Try are about."""
        return self._run

    @property
    def marks(self) -> tuple[str, ...]:
        """Ids of the marked runs, oldest mark first."""
        return self._marks

    @property
    def passage(self) -> Passage | None:
        """The text that Tokens and Try begin with."""
        return self._passage

    def choose(self, run: str | None) -> None:
        """Make `run` the current one."""
        if run != self._run:
            self._run = run
            self.run_changed.publish(run)

    def toggle(self, run: str) -> None:
        """Mark a run, or take its mark away."""
        marked = run in self._marks
        self._mark(tuple(other for other in self._marks if other != run) if marked else (*self._marks, run))

    def unmark_all(self) -> None:
        self._mark(())

    def _mark(self, marks: tuple[str, ...]) -> None:
        if marks != self._marks:
            self._marks = marks
            self.marks_changed.publish(marks)

    def hand_over(self, passage: Passage | None) -> None:
        """Give a text to whoever shows texts."""
        if passage != self._passage:
            self._passage = passage
            self.passage_changed.publish(passage)
