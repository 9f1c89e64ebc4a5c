"""What a model answers, read from the lab's records and laid out in lines: the same for the terminal and for Try.

`workbench.tasks.interface.Predictor.predict` says which record is which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workbench.core.errors import BadInput
from workbench.core.text import cells, clean, cut, pad
from workbench.display.spans import Line, Span, folded

_EIGHTHS = " ▏▎▍▌▋▊▉"
_WIDEST = 72

Row = Mapping[str, str]


class Answer(Protocol):
    """An answer to one row of fields."""

    def lines(self, row: Row, width: int, height: int) -> list[Line]:
        """It as it is shown in `width` × `height` cells."""

    def copied(self) -> str:
        """It as it is copied."""


@dataclass(frozen=True)
class Labels:
    """The probability of each label, and those that are predicted. `order` is that of the model's."""

    probabilities: Mapping[str, float]
    predicted: tuple[str, ...]
    order: Sequence[str] = ()

    def lines(self, row: Row, width: int, height: int) -> list[Line]:
        return bar_lines(self.probabilities, self.order, width, height, self.predicted)

    def copied(self) -> str:
        return "\n".join(f"{clean(label)}\t{share:.6f}" for label, share in self.probabilities.items())


@dataclass(frozen=True)
class Values:
    """A number for each target."""

    values: Mapping[str, float]

    def lines(self, row: Row, width: int, height: int) -> list[Line]:
        name = min(max(cells(clean(target)) for target in self.values), max(6, width // 2))
        return [
            (Span(pad(clean(target), name) + "  ", "muted"), Span(f"{value:.4f}", "best"))
            for target, value in list(self.values.items())[:height]
        ]

    def copied(self) -> str:
        return "\n".join(f"{clean(target)}\t{value:.6g}" for target, value in self.values.items())


@dataclass(frozen=True)
class Piece:
    """A piece of a text, `start` to `end` in its code points. `label` is what it is, where it is something."""

    text: str
    start: int
    end: int
    score: float
    label: str = ""

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Piece:
        return cls(
            text=str(record.get("text", record.get("answer", ""))),
            start=int(record.get("start") or 0),
            end=int(record.get("end") or 0),
            score=float(record.get("score") or 0.0),
            label=str(record.get("label") or ""),
        )


@dataclass(frozen=True)
class EntityAnswer:
    """The entities of a text, in its order."""

    found: tuple[Piece, ...]

    def lines(self, row: Row, width: int, height: int) -> list[Line]:
        if not self.found:
            return [(Span("no entities", "muted"),)]
        listed = self._list(width)[: max(1, height // 2)]
        text = folded(marked(next(iter(row.values())), self.found), width)
        return [*text[: max(1, height - len(listed) - 1)], (), *listed]

    def _list(self, width: int) -> list[Line]:
        label = min(max(cells(clean(piece.label)) for piece in self.found), max(4, width // 4))
        room = max(4, width - label - 2 - 8)
        return [
            (
                Span(pad(clean(piece.label), label) + "  ", "head"),
                Span(pad(clean(piece.text), room), "best"),
                Span(pad(f"{piece.score:.4f}", 8, right=True), "muted"),
            )
            for piece in self.found
        ]

    def copied(self) -> str:
        return "\n".join(f"{clean(piece.label)}\t{clean(piece.text)}\t{piece.score:.6f}" for piece in self.found)


@dataclass(frozen=True)
class Extract:
    """A piece of the context that answers a question (an empty one: nothing does), and other candidates."""

    best: Piece
    candidates: tuple[Piece, ...] = ()

    def lines(self, row: Row, width: int, height: int) -> list[Line]:
        shares = {piece.text or "no answer": piece.score for piece in reversed((self.best, *self.candidates))}
        most = max(1, min(len(shares), height // 3))
        ranked = sorted(shares, key=lambda text: -shares[text])
        bars = bar_lines({text: shares[text] for text in ranked[:most]}, ranked, width, most, (self._predicted,))
        context = list(row.values())[-1]
        text = folded(marked(context, (self.best,) if self.best.text else ()), width)
        return [*bars, (), *_around(text, max(1, height - len(bars) - 1))]

    @property
    def _predicted(self) -> str:
        return self.best.text or "no answer"

    def copied(self) -> str:
        return clean(self.best.text)


@dataclass(frozen=True)
class Fills:
    """The likeliest tokens for each mask."""

    masks: tuple[Mapping[str, float], ...]

    def lines(self, row: Row, width: int, height: int) -> list[Line]:
        found: list[Line] = []
        for place, tokens in enumerate(self.masks, 1):
            if len(self.masks) > 1:
                found += [*([()] if found else []), (Span(f"mask {place}", "head"),)]
            found += bar_lines(tokens, list(tokens), width, len(tokens))
        return found[:height]

    def copied(self) -> str:
        return "\n".join("\t".join(map(clean, tokens)) for tokens in self.masks)


@dataclass(frozen=True)
class Written:
    """Text that the model wrote."""

    text: str

    def lines(self, row: Row, width: int, height: int) -> list[Line]:
        return folded([Span(clean(self.text, newlines=True))], width)[:height]

    def copied(self) -> str:
        return self.text


def parse(record: Mapping[str, Any], order: Sequence[str] = ()) -> Answer:
    """The answer in a record. `order` are the model's labels. Raises BadInput for a record of no known kind."""
    if "probabilities" in record:
        predicted = record["labels"] if "labels" in record else [record["label"]]
        shares = {str(label): float(share) for label, share in record["probabilities"].items()}
        return Labels(shares, tuple(map(str, predicted)), order)
    if "values" in record:
        return Values({str(target): float(value) for target, value in record["values"].items()})
    if "entities" in record:
        return EntityAnswer(tuple(map(Piece.parse, record["entities"])))
    if "answer" in record:
        return Extract(Piece.parse(record), tuple(map(Piece.parse, record.get("candidates") or ())))
    if "fills" in record:
        return Fills(tuple({str(fill["token"]): float(fill["score"]) for fill in mask} for mask in record["fills"]))
    if "text" in record:
        return Written(str(record["text"]))
    raise BadInput(f"an answer of no known kind ({', '.join(map(clean, record)) or 'empty'})")


def marked(text: str, pieces: Sequence[Piece]) -> list[Span]:
    """A text with its pieces in brackets, each with its label. Pieces that overlap one before are left out."""
    spans, at = [], 0
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if piece.start < at:
            continue
        label = [Span(clean(piece.label) + " ", "head")] if piece.label else []
        inside = Span(clean(text[piece.start : piece.end], newlines=True), "best")
        spans += [Span(clean(text[at : piece.start], newlines=True)), Span("[", "muted"), *label, inside]
        spans += [Span("]", "muted")]
        at = piece.end
    return [*spans, Span(clean(text[at:], newlines=True))]


def _around(lines: list[Line], height: int) -> list[Line]:
    """So many lines that what is marked is among them."""
    first = next((at for at, line in enumerate(lines) if any(span.style == "best" for span in line)), 0)
    start = max(0, min(first - height // 3, len(lines) - height))
    return lines[start : start + height]


def bar(share: float, width: int) -> str:
    """`share` (0 to 1) of `width` cells, drawn to an eighth of a cell."""
    if not math.isfinite(share):
        return " " * width
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def bar_lines(
    probabilities: Mapping[str, float],
    order: Sequence[str],
    width: int,
    height: int,
    predicted: Sequence[str] | None = None,
) -> list[Line]:
    """One line a label in the given order; those that are `predicted` (default: the likeliest) are pointed at.

    Where not all fit, the likeliest first, and a last line says how many are left out.
    """
    if not probabilities:
        return []
    width = min(width, _WIDEST)
    if predicted is None:
        predicted = [max(probabilities, key=lambda label: _rank(probabilities[label]))]
    shown = [label for label in order if label in probabilities] or list(probabilities)
    left_out = max(0, len(shown) - height)
    if left_out:
        shown = sorted(shown, key=lambda label: -_rank(probabilities[label]))[: max(1, height - 1)]
        left_out = len(probabilities) - len(shown)
    name = min(max(cells(clean(label)) for label in shown), max(6, width // 3))
    lines = [_bar_line(label, probabilities[label], name, width, label in predicted) for label in shown]
    if left_out:
        lines.append((Span(cut(f"  {left_out} less likely", width), "muted"),))
    return lines


def _rank(probability: float) -> float:
    return probability if math.isfinite(probability) else -1.0


def _bar_line(label: str, probability: float, name: int, width: int, top: bool) -> Line:
    figure = f"{probability:.4f}" if math.isfinite(probability) else "nan"
    room = max(0, width - name - 2 - 1 - 8)
    return (
        Span(("▸ " if top else "  ") + pad(clean(label), name) + " ", "best" if top else ""),
        Span(bar(probability, room), "bar" if top else "faint-bar"),
        Span(pad(figure, 8, right=True), "best" if top else "muted"),
    )
