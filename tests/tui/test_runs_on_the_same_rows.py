"""Metrics puts no difference and no "best" across runs that were evaluated on other rows."""

from __future__ import annotations

from workbench.tui.modes.metrics.metric_table import MetricColumn, MetricRow, MetricRows, best_of
from workbench.tui.widgets.table import TableWindow


def table(*rows):
    found = MetricRows(
        [
            MetricRow(name, name, "completed", {"eval/accuracy": value}, current=name == "a", evaluated_on={"eval": of})
            for name, value, of in rows
        ],
        [MetricColumn.named("eval/accuracy")],
    )
    found.columns(80, TableWindow(0, len(rows), len(rows)))
    return [
        (found.row(place).mark, "".join(span.text for span in found.row(place).cells[1])) for place in range(len(rows))
    ]


def test_a_run_on_other_rows_is_marked_and_compared_with_none_of_these():
    (first, second, third) = table(("a", 0.8, "these"), ("b", 0.9, "these"), ("c", 0.99, "others"))
    assert (first[0], second[0], third[0]) == ("▸", "", "≠")
    assert "0.9000*" in second[1]
    assert "+0.1000" in second[1]
    assert "+" not in third[1]
    assert "*" not in third[1], "alone on its rows there is nothing to be better than"


def test_each_set_of_rows_has_a_best_of_its_own():
    found = table(("a", 0.8, "these"), ("b", 0.7, "these"), ("c", 0.5, "others"), ("d", 0.6, "others"))
    assert [("*" in text) for _, text in found] == [True, False, False, True]


def test_runs_whose_rows_are_not_known_are_compared_as_before():
    rows = [MetricRow(name, name, "completed", {"eval/f1": value}) for name, value in (("a", 0.5), ("b", 0.7))]
    assert best_of(MetricColumn.named("eval/f1"), rows) == 0.7
