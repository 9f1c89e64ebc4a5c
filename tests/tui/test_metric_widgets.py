"""The drawings of the Metrics and Try panes, read as plain text."""

from __future__ import annotations

import math

import pytest

from workbench.core.text import cells
from workbench.display.answer_lines import bar, bar_lines
from workbench.display.spans import plain, width_of
from workbench.display.wrap import wrap
from workbench.metrics.confusion import Confusion
from workbench.tui.modes.metrics.confusion_matrix import ClassTable, matrix_lines
from workbench.tui.modes.metrics.evaluation_list import Sample, ScoreRows, Scores, sample_lines
from workbench.tui.modes.metrics.metric_table import (
    MetricColumn,
    MetricRow,
    MetricTable,
    best_of,
)
from workbench.tui.modes.metrics.prediction_rows import PredictedRow, PredictionRows
from workbench.tui.widgets.table import TableWindow, VirtualTable

TWO = Confusion(("negative", "positive"), ((71, 9), (12, 68)))
MANY = Confusion(
    tuple(f"class-{i:02}" for i in range(30)), tuple(tuple(i * j % 7 for j in range(30)) for i in range(30))
)
HOSTILE = "evil\x1b]52;c;aGk=\x07\u202e\nname"


def drawn(matrix, cursor, width, height):
    return plain(matrix_lines(matrix, cursor, width, height)[0])


def class_lines(classes, cursor, width, height):
    table = ClassTable()
    table.put(classes, cursor)
    return table.lines(width, height)


def score_lines(scores, width, height, shown=None, top=0):
    table = VirtualTable(ScoreRows(scores, shown))
    table.top = top
    return table.lines(width, height)


def row_lines(rows, total, cursor, width, height):
    table = PredictionRows()
    table.add_page(0, rows, total)
    table.move_to(cursor)
    return table.lines(width, height)


def test_a_small_matrix_is_shown_whole_with_the_cell_under_the_cursor_in_brackets():
    assert drawn(TWO, (0, 1), 60, 10) == [
        "true \\ pred.   negative   positive",
        "negative             71         [9]",
        "positive             12         68",
    ]


def test_a_large_matrix_shows_the_part_around_the_cursor_and_says_which():
    lines = drawn(MANY, (20, 25), 60, 8)
    assert len(lines) == 8
    assert lines[-1] == "rows 17–21 of 30, columns 21–26 of 30"
    (row,) = [line for line in lines if line.startswith("class-20")]
    assert f"[{20 * 25 % 7}]" in row


def test_the_window_moves_only_as_far_as_it_must():
    assert TableWindow.around(5, 4, 10, first=3).first == 3
    assert TableWindow.around(7, 4, 10, first=3).first == 4
    assert TableWindow.around(1, 4, 10, first=3).first == 1
    assert str(TableWindow.around(9, 4, 10)) == "7–10 of 10"


def test_class_names_are_cut_in_cells():
    chinese = Confusion(("非常非常非常长的正面标签名字啊", "负面"), ((3, 1), (0, 2)))
    lines, _ = matrix_lines(chinese, (0, 0), 40, 6)
    assert len({width_of(line) for line in lines}) == 1
    assert width_of(lines[0]) <= 40
    assert "…" in plain(lines)[-2]


def test_names_wider_than_their_column_are_folded_above_it():
    lines = drawn(MANY, (0, 0), 44, 12)
    assert [line.split() for line in lines[:2]] == [["class"] * 4, ["true", "\\", "pred.", "-00", "-01", "-02", "-03"]]
    assert lines[2].startswith("class-00")


def test_hostile_names_are_shown_harmless():
    matrix = Confusion((HOSTILE, "b"), ((1, 0), (0, 1)))
    text = "".join(drawn(matrix, (0, 0), 80, 5) + plain(class_lines(matrix.report(), 0, 80, 9)))
    assert text.isprintable()
    assert "␛" in text


@pytest.mark.parametrize("width", [10, 20, 40])
@pytest.mark.parametrize("height", [2, 3, 6])
def test_a_tiny_room_still_shows_the_cursor(width, height):
    lines = drawn(MANY, (29, 29), width, height)
    assert len(lines) <= max(height, 3)
    assert any("[" in line for line in lines)


def test_a_count_is_never_cut():
    matrix = Confusion(("a", "b"), ((1234567, 0), (0, 9)))
    assert "[1234567]" in drawn(matrix, (0, 0), 24, 5)[1]


def test_undefined_figures_are_dashes_and_not_zeros():
    matrix = Confusion(("a", "b", "c"), ((5, 1, 0), (2, 7, 0), (0, 0, 0)))
    assert plain(class_lines(matrix.report(), 0, 80, 10)) == [
        "class  support  precision   recall  specificity      F1",
        "a            6      0.714    0.833        0.778   0.769",
        "b            9      0.875    0.778        0.833   0.824",
        "c            0          –        –        1.000       –",
        "macro       15      0.795    0.806        0.870   0.796",
    ]


def test_a_narrow_class_table_shortens_its_heads():
    assert plain(class_lines(TWO.report(), 0, 44, 10))[0] == "class     supp.  prec.   rec.  spec.     F1"


def test_the_class_table_scrolls_to_the_class_of_the_cursor_and_keeps_the_mean():
    lines = plain(class_lines(MANY.report(), 29, 70, 6))
    assert len(lines) == 6
    assert lines[-2].startswith("class-29")
    assert lines[-1].startswith("macro")


def rows():
    return [
        MetricRow("a", "minilm-reviews", "completed", {"eval/accuracy": 0.86, "eval/loss": 0.31}, current=True),
        MetricRow("b", "另一次运行", "completed", {"eval/accuracy": 0.88, "eval/loss": math.nan}, marked=True),
        MetricRow("c", "gpt2-docs", "failed", {"eval/loss": 0.29}),
    ]


COLUMNS = [MetricColumn.named("eval/accuracy"), MetricColumn.named("eval/loss")]


def table(width, height=9, cursor=(0, 0)):
    shown = MetricTable()
    shown.put(rows(), COLUMNS)
    shown.move(*cursor)
    return plain(shown.lines(width, height))


def test_the_best_of_each_column_is_marked_and_differences_are_from_the_current_run():
    assert table(80) == [
        "  run           accuracy ↑             loss ↓",
        "▸ minilm-reviews   0.8600             0.3100",
        "+ 另一次运行       0.8800*+0.0200        NaN",
        "  gpt2-docs             –             0.2900*-0.0200",
    ]


def test_the_best_of_a_column_knows_which_way_is_better():
    assert best_of(COLUMNS[0], rows()) == 0.88
    assert best_of(COLUMNS[1], rows()) == 0.29, "nan is no number and cannot win"
    assert best_of(COLUMNS[0], rows()[:1]) is None, "one run alone is not the best of anything"
    assert best_of(MetricColumn.named("eval/samples"), rows()) is None


def test_columns_that_do_not_fit_are_pointed_to():
    assert table(40)[0].endswith("→")
    assert table(40, cursor=(0, 1))[0].endswith("←")


def test_bars_are_drawn_to_an_eighth_of_a_cell():
    assert bar(0.5, 4) == "██  "
    assert bar(1 / 32, 4) == "▏   "
    assert bar(math.nan, 4) == "    "
    assert bar(7.0, 4) == "████"


def test_labels_keep_their_order_while_they_fit_and_the_likeliest_is_pointed_at():
    assert plain(bar_lines({"negative": 0.125, "positive": 0.875}, ["negative", "positive"], 36, 5)) == [
        "  negative ██▏                0.1250",
        "▸ positive ██████████████▉    0.8750",
    ]


def test_many_labels_show_the_likeliest_and_how_many_are_left_out():
    many = {f"l{i}": (i + 1) / 55 for i in range(10)}
    lines = plain(bar_lines(many, list(many), 40, 4))
    assert [line.split()[0:2] for line in lines[:3]] == [
        ["▸", "l9"],
        ["l8", lines[1].split()[1]],
        ["l7", lines[2].split()[1]],
    ]
    assert lines[3] == "  7 less likely"


def test_chinese_labels_line_up_and_a_probability_that_is_no_number_is_said():
    lines = bar_lines({"正面": 0.25, "负面评价": math.nan}, ["正面", "负面评价"], 50, 5)
    assert {width_of(line) for line in lines} == {50}
    assert "nan" in plain(lines)[1]
    assert cells(lines[0][0].text) == cells(lines[1][0].text)


def predicted(text, loss=1.0, row=3):
    return PredictedRow(row=row, label="bad", prediction="good", probability=0.91, loss=loss, text=text)


def test_rows_of_a_cell_show_loss_probability_place_and_the_whole_text_of_the_one_under_the_cursor():
    rows_ = [predicted("第一行很长" * 12, math.nan), predicted("second\nline " * 9, 0.5, row=4000)]
    assert plain(row_lines(rows_, 2, 1, 44, 12)) == [
        "    loss  prob.     row  text",
        "     nan  0.910       3  第一行很长第一行很…",
        "  0.5000  0.910    4000  second⏎line second…",
        "── 2 of 2 ──────────────────────────────────",
        "bad → good",
        "second",
        "line second",
        "line second",
        "line second",
    ]


def test_a_hostile_row_is_shown_harmless():
    lines = plain(row_lines([predicted(HOSTILE)], 1, 0, 70, 12))
    assert "".join(lines).isprintable()


def test_rows_in_a_short_room_have_no_preview():
    assert len(plain(row_lines([predicted("x")] * 30, 30, 29, 44, 6))) == 6


def test_evaluations_of_a_language_model_mark_the_best():
    scores = [
        Scores(100, 0.5, {"loss": 5.1, "perplexity": 164.02, "bits_per_byte": 2.2, "token_accuracy": 0.18}),
        Scores(200, 1.0, {"loss": 4.9, "perplexity": 134.29, "bits_per_byte": 2.1, "token_accuracy": 0.17}),
    ]
    assert plain(score_lines(scores, 80, 9, shown=100)) == [
        "     step   epoch  perplexity   token accuracy       loss   bits/byte",
        "      200    1.00       134.3*          0.1700     4.9000*     2.1000*",
        "▸     100    0.50       164.0           0.1800*    5.1000      2.2000",
    ]


def test_more_evaluations_than_lines_are_scrolled_and_the_head_says_so():
    scores = [Scores(step, step / 10, {"loss": 9 - step / 10}) for step in range(10, 60, 10)]
    lines = plain(score_lines(scores, 60, 3, top=2))
    assert lines[0].endswith("3–4 of 5")
    assert [line.split()[0] for line in lines[1:]] == ["30", "20"]
    assert plain(score_lines(scores, 60, 3, top=99))[2].split()[0] == "10"


def test_rows_that_differ_in_what_they_were_called_say_it_each():
    rows_ = [
        PredictedRow(1, "1999-03-03", "1999-03-13", None, 2.5, "March 3, 1999"),
        PredictedRow(2, "上海", "上海", None, 0.1, "地点在哪里"),
    ]
    lines = row_lines(rows_, 2, 0, 70, 9)
    assert plain(lines)[:3] == [
        "    loss     row  true → predicted         text",
        "  2.5000       1  1999-03-03 → 1999-03-13  March 3, 1999",
        "  0.1000       2  上海                     地点在哪里",
    ]
    assert plain(lines)[-2] == "1999-03-03 → 1999-03-13"


def test_a_long_answer_and_a_long_call_stand_one_below_the_other():
    lines = plain(row_lines([PredictedRow(1, "one " * 20, "two " * 20, None, 2.5, "text")], 1, 0, 60, 12))
    assert lines[3].startswith("true       one one")
    assert lines[4].startswith("predicted  two two")


def test_samples_come_newest_first_and_folded():
    lines = plain(sample_lines([Sample(5, "The", " old"), Sample(9, "The\nnew", " one two\nthree")], 12))
    assert lines == ["step 9 · Th…", " one two", "three", "", "step 5 · The", " old", ""]


def test_wrapping_breaks_at_spaces_and_inside_chinese():
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("汉字没有空格", 5) == ["汉字", "没有", "空格"]
    assert wrap("a\n\nb", 9) == ["a", "", "b"]
    assert wrap("x" * 1000, 10, limit=2) == ["x" * 10] * 2
    assert wrap("exactly ten", 11) == ["exactly ten"]
    assert wrap("trailing    ", 8) == ["trailing"]
