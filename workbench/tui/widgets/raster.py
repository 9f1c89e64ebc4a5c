"""Lines drawn in braille dots, two by four to a cell. Pure functions.

A column of dots is one integer, a bit a dot: a steep stretch is one shift however high it is. plotext's own braille
takes twenty times as long, because it makes a string of every dot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

# How far up a cell four dots of one column are, lowest first, and the bits that Unicode gives them.
_LEFT = [sum(bit for dot, bit in enumerate((0x40, 0x04, 0x02, 0x01)) if dots >> dot & 1) for dots in range(16)]
_RIGHT = [sum(bit for dot, bit in enumerate((0x80, 0x20, 0x10, 0x08)) if dots >> dot & 1) for dots in range(16)]
_BRAILLE = 0x2800


class Area(NamedTuple):
    """`columns` × `rows` cells for x from `span` and y from `reach`, both of some length."""

    columns: int
    rows: int
    span: tuple[float, float]
    reach: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies, in dots from the lower left."""
        return (
            (x - self.span[0]) / (self.span[1] - self.span[0]) * (2 * self.columns - 1),
            (y - self.reach[0]) / (self.reach[1] - self.reach[0]) * (4 * self.rows - 1),
        )

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """Row (from the top) and column of the cell that a point is in."""
        across, up = self.place(x, y)
        return self.rows - 1 - round(up) // 4, round(across) // 2


def line_cells(points: Sequence[tuple[float, float]], area: Area) -> Iterator[tuple[int, int, str]]:
    """Row, column and braille character of every cell that the line through `points` touches; none beyond the area."""
    dots = _dots([area.place(*point) for point in points], 2 * area.columns, 4 * area.rows)
    for column in range(area.columns):
        left, right = dots[2 * column], dots[2 * column + 1]
        both = left | right
        if not both:
            continue
        for up in range(((both & -both).bit_length() - 1) // 4, (both.bit_length() - 1) // 4 + 1):
            code = _LEFT[left >> 4 * up & 15] | _RIGHT[right >> 4 * up & 15]
            if code:
                yield area.rows - 1 - up, column, chr(_BRAILLE + code)


def _dots(places: Sequence[tuple[float, float]], width: int, height: int) -> list[int]:
    """A number for each column of dots; bit 0 is its lowest dot."""
    dots = [0] * width
    stretches = pairwise(places) if len(places) > 1 else [(place, place) for place in places]
    for (x, y), (to_x, to_y) in stretches:
        if to_x < x:
            x, y, to_x, to_y = to_x, to_y, x, y
        first, last = round(x), round(to_x)
        if first == last:
            if 0 <= first < width:
                dots[first] |= _run(round(y), round(to_y), height)
            continue
        slope = (to_y - y) / (to_x - x)
        low = round(y)
        for column in range(first, last + 1):
            # The next column begins where this one ends, one dot further on.
            end = round(to_y) if column == last else round(y + slope * (column + 0.5 - x))
            high = end if column == last or end == low else end + (1 if end < low else -1)
            if 0 <= column < width:
                dots[column] |= _run(low, high, height)
            low = end
    return dots


def _run(one: int, other: int, height: int) -> int:
    """The bits from one dot to another, both included, as far as there are any."""
    if one > other:
        one, other = other, one
    if one < 0 or other >= height:
        one, other = max(0, one), min(other, height - 1)
    return ((1 << other - one + 1) - 1) << one if one <= other else 0
