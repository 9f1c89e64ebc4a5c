"""Charts: what is drawn, read as text; scales that stay put; what plotext must never see."""

from __future__ import annotations

import math

import pytest

from workbench.core.text import cells
from workbench.display.spans import Span
from workbench.tui.widgets.chart import Series, Spec, bounds, chart_lines, legend, limit, ticks, x_word
from workbench.tui.widgets.drawing import changed

FALLING = tuple((float(x), 2.0 * math.exp(-x / 30)) for x in range(100))


def drawn(spec, width=60, height=12, **options):
    return ["".join(span.text for span in line) for line in chart_lines(spec, width, height, **options)]


def test_a_chart_has_a_title_a_legend_and_axes():
    lines = drawn(Spec("loss", (Series("train", FALLING, said="0.07"),), (0, 100)))
    assert lines[0].startswith(" loss  train 0.07")
    assert any(line.strip().startswith("0┤") for line in lines)
    assert "100" in lines[-1]
    assert all(cells(line) == 60 for line in lines)
    assert len(lines) == 12


def test_a_logarithmic_axis_leaves_the_data_alone_and_what_is_not_above_zero_out():
    points = ((0.0, 100.0), (1.0, 0.0), (2.0, -5.0), (3.0, 0.01))
    spec = Spec("loss", (Series("train", points),), (0, 3), log=True)
    lines = drawn(spec)
    assert "(log)" in lines[0]
    assert any("100┤" in line for line in lines)
    assert any("0.01┤" in line for line in lines)
    assert spec.lines[0].points == points


def test_a_series_with_nothing_above_zero_says_so_on_a_logarithmic_axis():
    assert any(
        "nothing above zero" in line for line in drawn(Spec("x", (Series("", ((0.0, -1.0),)),), (0, 1), log=True))
    )


def test_no_points_yet_is_said():
    assert any("no points yet" in line for line in drawn(Spec("loss")))


@pytest.mark.parametrize("value", [0.0, 1e-300, 5.0, -3.0, 1e12])
def test_a_flat_line_is_drawn(value):
    assert len(drawn(Spec("flat", (Series("", ((0.0, value), (9.0, value))),), (0, 9)))) == 12


def test_a_single_point_is_drawn():
    assert any("●" in line for line in drawn(Spec("one", (Series("", ((3.0, 1.0),), dots=True),), (0, 10))))


def test_plain_characters_only_on_a_slow_link():
    lines = drawn(Spec("loss", (Series("train", FALLING),), (0, 100)), plain=True)
    assert all(line.isascii() for line in lines)


def test_y_goes_no_further_than_the_metric_can_and_hides_no_point_that_does():
    def ticks_of(value):
        line = Series("", ((0.0, value), (1.0, value)))
        return [float(row.split("┤")[0]) for row in drawn(Spec("f1", (line,), within=(0.0, 1.0))) if "┤" in row]

    assert max(ticks_of(1.0)) == 1.0
    assert max(ticks_of(89.0)) > 89.0


def test_new_points_repaint_a_few_cells_of_a_chart_that_moves():
    before = chart_lines(Spec("loss", (Series("train", FALLING[:60]),), (0, 100)), 80, 16)
    after = chart_lines(Spec("loss", (Series("train", FALLING[:62]),), (0, 100)), 80, 16)
    painted = sum(length for old, new in zip(before, after, strict=True) for _, length in changed(old, new, 80))
    assert 0 < painted < 30


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.113, 0.87), (-3.0, 7e5), (1e-9, 2e-9), (2.0, 2.0)])
def test_bounds_hold_the_data_and_are_round(low, high):
    floor, ceiling = bounds(low, high)
    assert floor <= low
    assert ceiling >= high
    assert 2 <= len(ticks(floor, ceiling, 4)) <= 6


def test_the_x_axis_grows_in_leaps_up_to_the_plan():
    limits = [limit(step, 1000) for step in range(1, 1001)]
    assert limits == sorted(limits)
    assert len(set(limits)) < 25
    assert all(limit >= step for step, limit in enumerate(limits, 1))
    assert limits[-1] == 1000
    assert limit(1200, 1000) >= 1200  # a plan that was wrong does not hide points


@pytest.mark.parametrize(
    ("value", "axis", "word"),
    [(250, "step", "250"), (25_000, "step", "25k"), (2e6, "step", "2M"), (1.5, "epoch", "1.5"), (90, "time", "1m 30s")],
)
def test_ticks_of_the_x_axis_are_words(value, axis, word):
    assert x_word(value, axis) == word


def test_legends_leave_out_what_all_begin_with():
    assert legend(["bert-lr3", "bert-lr5"]) == ["3", "5"]
    assert legend(["bert", "bert-2"]) == ["bert", "bert-2"]
    assert legend(["alone"]) == ["alone"]


def test_changes_are_measured_in_cells():
    before, after = (), (Span(" 中文"),)
    assert list(changed(before, after, 20)) == [(1, 4)]


def test_noise_of_the_arithmetic_is_no_range():
    low, high = bounds(640.0, 640.0 + 1e-10)
    assert (low, high) == bounds(640.0, 640.0)
