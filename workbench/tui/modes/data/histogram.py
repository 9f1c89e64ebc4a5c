"""Bars of block characters: how labels are balanced, how lengths are spread. Pure functions of numbers and cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.core.text import cells, clean, cut, pad
from workbench.display.answer_lines import bar
from workbench.display.spans import Line, Span

_LEVELS = " ▁▂▃▄▅▆▇█"


def balance(counts: Mapping[str, int], width: int, height: int, kinds: int = 0) -> list[Line]:
    """Labels, commonest first, each with a bar, its rows and its share. What does not fit is counted.

    `counts` may hold the commonest only, of so many `kinds`.
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if not ordered or height < 1:
        return []
    kinds = max(kinds, len(ordered))
    shown = ordered if kinds <= height else ordered[: max(0, height - 1)]
    total, most = sum(counts.values()) or 1, max(1, ordered[0][1])
    names = [cut(clean(name), max(6, width // 3)) for name, _ in shown]
    label = max((cells(name) for name in names), default=0)
    figures = [f"{rows:,} {100 * rows / total:.0f}%" for _, rows in shown]
    figure = max((len(text) for text in figures), default=0)
    room = max(1, width - label - figure - 2)
    lines: list[Line] = [
        (
            Span(pad(name, label) + " "),
            Span(bar(max(rows / most, 0.125 / room), room), "bar"),
            Span(f" {text:>{figure}}", "muted"),
        )
        for name, (_, rows), text in zip(names, shown, figures, strict=True)
    ]
    if len(shown) < kinds:
        lines.append((Span(f"and {kinds - len(shown):,} more labels", "muted"),))
    return lines


def columns(counts: Sequence[int], width: int, height: int) -> list[str]:
    """`counts` as upright columns in `height` lines, neighbours added together until they fit in `width`."""
    fitted = _fit(counts, width)
    most = max(fitted, default=0)
    if not most or height < 1:
        return [""] * height
    wide = max(1, min(3, width // max(1, len(fitted))))
    levels = [max(1, round(count / most * height * 8)) if count else 0 for count in fitted]
    return [
        "".join(_LEVELS[max(0, min(8, level - 8 * line))] * wide for level in levels)
        for line in range(height - 1, -1, -1)
    ]


def _fit(counts: Sequence[int], width: int) -> list[int]:
    if len(counts) <= width or width < 1:
        return list(counts)
    group = -(-len(counts) // width)
    return [sum(counts[at : at + group]) for at in range(0, len(counts), group)]


def spread(lengths: Sequence[int], top: int, width: int, height: int) -> list[Line]:
    """A histogram of equal bins from 0 to `top`, and the axis below it."""
    if height < 2 or not lengths:
        return []
    drawn = columns(lengths, width, height - 1)
    used = max(1, min(width, max((len(line) for line in drawn), default=1)))
    end = f"{top:,}"
    axis = "0" + " " * max(1, used - 1 - len(end)) + end
    return [*((Span(line, "bar"),) for line in drawn), (Span(axis, "muted"),)]
