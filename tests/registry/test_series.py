"""Series as charts and tables need them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.series import (
    decimate,
    format_age,
    format_duration,
    format_number,
    log10_finite,
    smooth,
    sparkline_text,
)

_POINTS = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=400).map(lambda v: list(enumerate(v)))


@given(_POINTS, st.integers(1, 60))
def test_decimating_keeps_the_extremes_of_each_bucket_in_order(points, columns):
    kept = decimate(points, columns)
    assert len(kept) <= max(2 * columns, 0)
    assert kept == sorted(kept)
    assert set(kept) <= set(points)
    if len(points) > 2 * columns:
        for column in range(columns):
            bucket = points[column * len(points) // columns : (column + 1) * len(points) // columns]
            values = [value for step, value in kept if bucket[0][0] <= step <= bucket[-1][0]]
            assert (min(values), max(values)) == (min(v for _, v in bucket), max(v for _, v in bucket))
    else:
        assert kept == points


def test_smoothing_is_debiased_so_that_it_begins_at_the_first_value():
    assert smooth([4.0, 4.0, 4.0], 0.9) == pytest.approx([4.0, 4.0, 4.0])
    assert smooth([1.0, 3.0], 0.5) == pytest.approx([1.0, (0.25 * 1 + 0.5 * 3) / 0.75])
    assert smooth([1.0, 2.0, 3.0], 0) == [1.0, 2.0, 3.0]


def test_smoothing_leaves_nan_in_place_and_goes_on():
    smoothed = smooth([1.0, math.nan, 1.0], 0.6)
    assert smoothed[0] == pytest.approx(1.0)
    assert math.isnan(smoothed[1])
    assert smoothed[2] == pytest.approx(1.0)


def test_a_logarithmic_axis_leaves_out_what_has_no_place_on_it():
    points = [(1, 10.0), (2, 0.0), (3, -1.0), (4, math.nan), (5, math.inf), (6, 0.01)]
    assert log10_finite(points) == [(1, 1.0), (6, -2.0)]


def test_a_sparkline_goes_from_the_lowest_bar_to_the_highest():
    assert sparkline_text([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline_text([3, 3, 3], 12) == "▅▅▅"
    assert sparkline_text([1, math.nan, 2], 12) == "▁ █"
    assert sparkline_text([], 12) == ""
    assert sparkline_text([math.nan], 12) == " "
    assert sparkline_text([1, 2], 0) == ""


@given(st.lists(st.floats(), max_size=100), st.integers(0, 30))
def test_a_sparkline_is_never_wider_than_it_may_be(values, width):
    assert len(sparkline_text(values, width)) == min(len(values), width)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.91234, "0.9123"),
        (2e-5, "2e-05"),
        (1234, "1,234"),
        (0.0, "0"),
        (1.0, "1"),
        (-0.5, "-0.5"),
        (12345.678, "12,346"),
        (1e300, "1.000e+300"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
        (None, "–"),
    ],
)
def test_numbers_as_text(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "now"),
        (0.4, "now"),
        (0.99, "now"),
        (1, "1s"),
        (59.9, "59s"),
        (60, "1m"),
        (200, "3m"),
        (3599, "59m"),
        (3600, "1h"),
        (7300, "2h"),
        (86_399, "23h"),
        (86_400, "1d"),
        (14 * 86_400 - 1, "13d"),
        (14 * 86_400, "2w"),
        (365 * 86_400 - 1, "52w"),
        (365 * 86_400, "1y"),
        (800 * 86_400, "2y"),
        (math.nan, "–"),
    ],
)
def test_ages_as_text(seconds, text):
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (9.95, "10s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (185, "3m 05s"),
        (3599, "59m 59s"),
        (3600, "1h 00m"),
        (7620, "2h 07m"),
        (86_399, "23h 59m"),
        (86_400, "1d 00h"),
        (97_200, "1d 03h"),
        (-1, "–"),
        (math.inf, "–"),
    ],
)
def test_durations_as_text(seconds, text):
    assert format_duration(seconds) == text
