"""Any zoom of any series: few points, and no spike among those left out."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.registry import points, pyramid
from workbench.registry.database import Connection, connect_empty
from workbench.registry.migrations import create_in_memory

SERIES = (1, 1)
_VALUES = st.one_of(st.floats(), st.floats(-1, 1), st.just(0.5))


def stored(steps: list[int], values: list[float], cuts: list[int]) -> Connection:
    """A series that went in in pieces, cut at `cuts`."""
    connection = connect_empty()
    create_in_memory(connection)
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(steps)}), len(steps)]
    for start, end in pairwise(edges):
        batch = points.Points()
        batch.steps, batch.values = steps[start:end], values[start:end]
        batch.times = [float(step) for step in batch.steps]
        points.append(connection, SERIES, 0, 1, batch)
    return connection


@st.composite
def series(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    # Long series are made from a seed: what matters of them is their length and where a spike stands.
    if draw(st.booleans()):
        values = draw(st.lists(_VALUES, min_size=1, max_size=300))
    else:
        rng = random.Random(draw(st.integers(0, 2**32)))
        values = [rng.gauss(0, 1) for _ in range(draw(st.integers(1, 6000)))]
        values[rng.randrange(len(values))] = draw(_VALUES)
    stride, start = draw(st.integers(1, 50)), draw(st.integers(-5, 1000))
    return [start + at * stride for at in range(len(values))], values


@settings(max_examples=120, deadline=None)
@given(series(), st.lists(st.integers(0, 6000), max_size=6), st.integers(2, 120), st.data())
def test_a_view_holds_the_extremes_of_every_bucket_and_all_that_is_real(made, cuts, columns, data):
    steps, values = made
    connection = stored(steps, values, cuts)
    low = data.draw(st.one_of(st.none(), st.integers(steps[0] - 3, steps[-1] + 3)))
    high = data.draw(st.one_of(st.none(), st.integers(steps[0] - 3, steps[-1] + 3)))
    inside = [
        (step, value)
        for step, value in zip(steps, values, strict=True)
        if (low is None or step >= low) and (high is None or step <= high)
    ]
    finite = [(step, value) for step, value in inside if math.isfinite(value)]
    view = pyramid.view(connection, SERIES, low, high, columns)

    assert (view.total, view.hidden) == (len(inside), 0)
    assert len(view.points) == len(view.times) <= 2 * columns
    assert view.nonfinite_total == len(inside) - len(finite)
    assert set(view.points) <= set(finite)
    assert view.points == sorted(view.points)
    assert view.times == [float(step) for step, _ in view.points]
    assert {(step, str(value)) for step, value in view.nonfinite} <= {(step, str(value)) for step, value in inside}
    assert bool(view.nonfinite) == bool(view.nonfinite_total)
    if len(inside) <= 2 * columns:
        assert view.points == finite, "a short series is drawn as it is"
    if finite:
        drawn = [value for _, value in view.points]
        assert min(drawn) == min(value for _, value in finite)
        assert max(drawn) == max(value for _, value in finite)
    if inside and math.isfinite(inside[-1][1]):
        assert view.points[-1] == inside[-1]

    ends = (-(10**9) if low is None else low, 10**9 if high is None else high)
    blocks = pyramid.cover(connection, SERIES, *ends, columns)
    rest = list(inside)
    for first, last, odd, _, least, _, _, greatest, _, size in blocks:
        bucket, rest = rest[:size], rest[size:]
        real = [value for _, value in bucket if math.isfinite(value)]
        assert (bucket[0][0], bucket[-1][0], size - odd) == (first, last, len(real))
        assert (least, greatest) == ((min(real), max(real)) if real else (None, None))
    assert rest == []


@settings(max_examples=60, deadline=None)
@given(series(), st.lists(st.integers(0, 6000), max_size=8))
def test_how_points_arrived_leaves_no_trace(made, cuts):
    steps, values = made
    tables = ("SELECT * FROM pyramid", "SELECT * FROM summary", "SELECT * FROM spark", "SELECT * FROM point")
    at_once, in_pieces = stored(steps, values, []), stored(steps, values, cuts)
    shuffled = list(zip(steps, values, strict=True))
    random.Random(len(steps)).shuffle(shuffled)
    late = stored([step for step, _ in shuffled], [value for _, value in shuffled], cuts)
    for table in tables:
        assert at_once.execute(table).fetchall() == in_pieces.execute(table).fetchall()
        assert at_once.execute(table).fetchall() == late.execute(table).fetchall()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000))
def test_a_spark_is_the_means_of_equal_parts(values):
    connection = stored(list(range(len(values))), values, [])
    [(width, partial, sums)] = connection.execute("SELECT width, partial, sums FROM spark").fetchall()
    from workbench.registry.spark import MOST, Spark

    means = Spark(width, partial, sums).means()
    assert len(means) <= MOST
    assert len(values) < MOST or len(means) > MOST // 2
    parts = [values[at : at + width] for at in range(0, len(values), width)]
    assert means == pytest.approx([sum(part) / len(part) for part in parts], abs=1e-6)


def test_a_spike_among_a_hundred_thousand_points_is_in_every_view_that_covers_it():
    rng = random.Random(3)
    values = [rng.random() for _ in range(100_000)]
    values[77_777] = 50.0
    connection = stored(list(range(100_000)), values, [33_000, 66_000])
    for low, high in [(0, 99_999), (77_777, 77_777), (77_000, 78_000), (50_001, 99_998), (3, 77_777), (77_777, 99_999)]:
        for columns in (2, 3, 80, 400):
            assert (77_777, 50.0) in pyramid.view(connection, SERIES, low, high, columns).points


@pytest.mark.parametrize("columns", [2, 5, 16, 40])
def test_a_spike_is_drawn_wherever_it_stands_in_its_block(columns):
    for place in (0, 1, 14, 15, 16, 17, 31, 32, 47, 48, 95, 96, 127, 128, 143, 144, 158, 159):
        values = [0.0] * 160
        values[place] = 9.0
        view = pyramid.view(stored(list(range(160)), values, []), SERIES, None, None, columns)
        assert (place, 9.0) in view.points


def test_a_diverged_series_tells_its_nans_without_listing_them_all():
    values = [1.0] * 100 + [math.nan] * 50_000
    view = pyramid.view(stored(list(range(len(values))), values, []), SERIES, None, None, 80)
    assert view.nonfinite_total == 50_000
    assert 40 <= len(view.nonfinite) <= 160
    assert view.nonfinite[0][0] < 1000
    assert view.points[-1][0] < 100


def test_a_view_reads_a_few_hundred_rows_however_long_the_series():
    connection = stored(list(range(200_000)), [float(at % 977) for at in range(200_000)], [])
    for low, high in [(0, 199_999), (1, 150_000), (12_345, 187_654), (0, 30_000)]:
        assert 80 <= len(pyramid.cover(connection, SERIES, low, high, 80)) < 80 * pyramid.FAN + 200
