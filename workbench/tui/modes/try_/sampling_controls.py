"""The controls of generation: temperature, top-p, length and seed on one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from textual.message import Message

from workbench.core.errors import BadInput
from workbench.display.spans import Line, Span
from workbench.tui.widgets.drawing import Drawing


@dataclass(frozen=True)
class Knob:
    """One number: what the lab calls it, what a person does, its range and its step."""

    key: str
    label: str
    value: float
    low: float
    high: float
    step: float

    @property
    def whole(self) -> bool:
        return self.step >= 1

    @property
    def text(self) -> str:
        return str(int(self.value)) if self.whole else f"{self.value:.2f}"

    def turned(self, clicks: int) -> Knob:
        """Moved by so many steps, stopping at the ends of the range."""
        return self.set_to(round(self.value + clicks * self.step, 6))

    def set_to(self, value: float) -> Knob:
        value = min(max(value, self.low), self.high)
        return replace(self, value=int(value) if self.whole else value)

    def parse(self, text: str) -> float:
        """A typed value. Raises BadInput where it is no number or out of range."""
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not self.low <= value <= self.high or (self.whole and value != int(value)):
            kind = "a whole number" if self.whole else "a number"
            raise BadInput(f"{self.label} is {kind} from {self.low:g} to {self.high:g}")
        return value


KNOBS = (
    Knob("temperature", "temperature", 0.8, 0.0, 2.0, 0.1),
    Knob("top_p", "top-p", 0.95, 0.05, 1.0, 0.05),
    Knob("max_new_tokens", "length", 64, 1, 4096, 16),
    Knob("seed", "seed", 0, 0, 2**31 - 1, 1),
)


def set_from(knobs: Sequence[Knob], values: Mapping[str, object]) -> tuple[Knob, ...]:
    """The knobs with a recipe's `[generate]` values, where it gives them."""
    return tuple(knob.set_to(float(str(values[knob.key]))) if knob.key in values else knob for knob in knobs)


def knob_line(knobs: Sequence[Knob], cursor: int | None) -> Line:
    """All on one line; the one under the cursor in brackets."""
    spans: list[Span] = []
    for place, knob in enumerate(knobs):
        here = place == cursor
        spans.append(Span(f" {knob.label} ", "muted"))
        spans.append(Span(f"[{knob.text}]" if here else f" {knob.text} ", cursor=here))
    return tuple(spans)


class Knobs(Drawing, can_focus=True):
    """Left and right choose, up and down turn, enter types the value."""

    DEFAULT_CSS = "Knobs { height: 1; }"

    @dataclass
    class Typed(Message):
        """Enter was pressed: the value under the cursor is to be typed."""

        place: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.knobs: tuple[Knob, ...] = KNOBS
        self.cursor = 0

    @property
    def values(self) -> dict[str, float]:
        """As a recipe's `[generate]` has them."""
        return {knob.key: knob.value for knob in self.knobs}

    def lines(self, width: int, height: int) -> list[Line]:
        return [knob_line(self.knobs, self.cursor if self.has_focus else None)]

    def set_knobs(self, knobs: Sequence[Knob]) -> None:
        self.knobs = tuple(knobs)
        self.update_lines()

    def put(self, place: int, knob: Knob) -> None:
        """Another value at a place."""
        self.set_knobs([*self.knobs[:place], knob, *self.knobs[place + 1 :]])

    def move(self, rows: int, columns: int) -> None:
        self.cursor = min(max(self.cursor + columns, 0), len(self.knobs) - 1)
        if rows:
            self.put(self.cursor, self.knobs[self.cursor].turned(-rows))
        self.update_lines()

    def open(self) -> None:
        self.post_message(self.Typed(self.cursor))
