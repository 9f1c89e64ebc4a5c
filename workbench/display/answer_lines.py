"""What a model answers, laid out in lines: the same for the terminal and for Try."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from workbench.contracts.answers import (
    Answer,
    EntitiesAnswer,
    ExtractAnswer,
    Fill,
    FillsAnswer,
    FoundEntity,
    LabelAnswer,
    LabelsAnswer,
    TextAnswer,
    ValuesAnswer,
)
from workbench.core.text import cells, clean, cut, pad
from workbench.display.spans import Line, Span, folded

_EIGHTHS = " ▏▎▍▌▋▊▉"
_WIDEST = 72
_NO_ANSWER = "no answer"

Row = Mapping[str, str]
Place = tuple[int, int, str]
"""A piece of a text, from start to end in its code points, and what it is: "" for nothing particular."""


def answer_lines(answer: Answer, row: Row, width: int, height: int, order: Sequence[str] = ()) -> list[Line]:
    """The answer to a row, as it is shown in `width` × `height` cells. `order` is that of the model's labels."""
    cut_text = None if isinstance(answer, EntitiesAnswer | FillsAnswer) else answer.cut
    if cut_text is None:
        return _lines(answer, row, width, height, order)
    said = cut(f"cut at {cut_text.at} of {cut_text.of} tokens", width)
    return [*_lines(answer, row, width, max(1, height - 1), order), (Span(said, "warn"),)]


def _lines(answer: Answer, row: Row, width: int, height: int, order: Sequence[str]) -> list[Line]:
    match answer:
        case LabelAnswer(label=label, probabilities=probabilities):
            return bar_lines(probabilities, order, width, height, (label,))
        case LabelsAnswer(labels=labels, probabilities=probabilities):
            return bar_lines(probabilities, order, width, height, labels)
        case ValuesAnswer(values):
            return _value_lines(values, width)[:height]
        case EntitiesAnswer(entities):
            return _entity_lines(entities, next(iter(row.values())), width, height)
        case ExtractAnswer():
            return _extract_lines(answer, list(row.values())[-1], width, height)
        case FillsAnswer(fills):
            return _fill_lines(fills, width)[:height]
        case TextAnswer(text):
            return folded([Span(clean(text, newlines=True))], width)[:height]


def copied(answer: Answer) -> str:
    """The answer as it is copied."""
    match answer:
        case LabelAnswer() | LabelsAnswer():
            return "\n".join(f"{clean(label)}\t{share:.6f}" for label, share in answer.probabilities.items())
        case ValuesAnswer(values):
            return "\n".join(f"{clean(target)}\t{value:.6g}" for target, value in values.items())
        case EntitiesAnswer(entities):
            return "\n".join(f"{clean(one.label)}\t{clean(one.text)}\t{one.score:.6f}" for one in entities)
        case ExtractAnswer(piece):
            return clean(piece)
        case FillsAnswer(fills):
            return "\n".join("\t".join(clean(fill.token) for fill in mask) for mask in fills)
        case TextAnswer(text):
            return text


def _value_lines(values: Mapping[str, float], width: int) -> list[Line]:
    name = min(max(cells(clean(target)) for target in values), max(6, width // 2))
    return [
        (Span(pad(clean(target), name) + "  ", "muted"), Span(f"{value:.4f}", "best"))
        for target, value in values.items()
    ]


def _entity_lines(entities: Sequence[FoundEntity], text: str, width: int, height: int) -> list[Line]:
    """The text with its entities in it, and a list of them."""
    if not entities:
        return [(Span("no entities", "muted"),)]
    listed = _entity_list(entities, width)[: max(1, height // 2)]
    lines = folded(marked(text, [(one.start, one.end, one.label) for one in entities]), width)
    return [*lines[: max(1, height - len(listed) - 1)], (), *listed]


def _entity_list(entities: Sequence[FoundEntity], width: int) -> list[Line]:
    label = min(max(cells(clean(one.label)) for one in entities), max(4, width // 4))
    room = max(4, width - label - 2 - 8)
    return [
        (
            Span(pad(clean(one.label), label) + "  ", "head"),
            Span(pad(clean(one.text), room), "best"),
            Span(pad(f"{one.score:.4f}", 8, right=True), "muted"),
        )
        for one in entities
    ]


def _extract_lines(answer: ExtractAnswer, context: str, width: int, height: int) -> list[Line]:
    """The likeliest pieces, and the context around the one that is the answer."""
    shares = {one.text or _NO_ANSWER: one.score for one in reversed(answer.candidates)}
    shares[answer.answer or _NO_ANSWER] = answer.score
    most = max(1, min(len(shares), height // 3))
    ranked = sorted(shares, key=lambda text: -shares[text])
    best = {text: shares[text] for text in ranked[:most]}
    bars = bar_lines(best, ranked, width, most, (answer.answer or _NO_ANSWER,))
    text = folded(marked(context, [(answer.start, answer.end, "")] if answer.answer else []), width)
    return [*bars, (), *_around(text, max(1, height - len(bars) - 1))]


def _fill_lines(fills: Sequence[Sequence[Fill]], width: int) -> list[Line]:
    lines: list[Line] = []
    for place, mask in enumerate(fills, 1):
        if len(fills) > 1:
            lines += [*([()] if lines else []), (Span(f"mask {place}", "head"),)]
        shares = {fill.token: fill.score for fill in mask}
        lines += bar_lines(shares, list(shares), width, len(shares))
    return lines


def marked(text: str, places: Iterable[Place]) -> list[Span]:
    """A text with these places in brackets, each with its label. Those that overlap one before are left out."""
    spans, at = [], 0
    for start, end, name in sorted(places, key=lambda place: place[0]):
        if start < at:
            continue
        label = [Span(clean(name) + " ", "head")] if name else []
        inside = Span(clean(text[start:end], newlines=True), "best")
        spans += [Span(clean(text[at:start], newlines=True)), Span("[", "muted"), *label, inside]
        spans += [Span("]", "muted")]
        at = end
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
