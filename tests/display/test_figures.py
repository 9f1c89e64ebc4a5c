"""A metric reads the same in every list, chart and line, because one function writes it."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from workbench.cli.follow import FollowedRun
from workbench.contracts.events import EvalEvent, PlanEvent, decode
from workbench.core.text import cells
from workbench.display.figures import difference, figure, headline_key, interval
from workbench.display.spans import plain
from workbench.metrics.catalog import CATALOG, axis, title
from workbench.registry.snapshots import Summary
from workbench.tui.modes.live.charts import ChartView, specs
from workbench.tui.modes.live.news import told
from workbench.tui.modes.live.requests import Curve, LiveBody, Track, eval_keys
from workbench.tui.modes.metrics.evaluation_list import ScoreRows, Scores
from workbench.tui.modes.metrics.metric_table import MetricColumn, MetricRow, MetricTable
from workbench.tui.widgets.run_cells import Sight, columns
from workbench.tui.widgets.table import VirtualTable


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("eval/accuracy", 0.9, "0.9000"),
        ("eval/loss", None, "–"),
        ("eval/loss", math.nan, "NaN"),
        ("eval/perplexity", -math.inf, "-∞"),
        ("train/loss", 0.0, "0.0000"),
        ("eval/perplexity", 1938.25, "1938.2"),
        ("eval/loss", 1e-7, "1.00e-07"),
        ("eval/bleu", 34.5213, "34.52"),
        ("eval/length", 12.5, "12.50"),
        ("train/learning_rate", 2e-5, "2e-05"),
        ("train/tokens", 1234.0, "1,234"),
    ],
)
def test_a_figure_is_written_as_its_scale_asks_and_fits_its_column(key, value, text):
    assert figure(key, value) == text
    assert cells(text) <= 8


def test_a_difference_has_a_sign_and_needs_two_numbers():
    assert difference("eval/loss", 0.5, 0.75) == "-0.2500"
    assert difference("eval/loss", 0.75, 0.5) == "+0.2500"
    assert difference("eval/chrf", 34.5, 34.25) == "+0.25"
    assert difference("eval/loss", 0.5, None) == difference("eval/loss", 0.5, math.nan) == ""


def test_the_ends_of_an_interval_are_no_surer_than_they_are():
    assert interval("accuracy", 0.71, 0.93) == "[0.710, 0.930]"
    assert interval("bleu", 33.123, 35.321) == "[33.1, 35.3]"
    assert interval("of_mine", 0.123456, 2.0) == "[0.1235, 2]"


def run_with(best: str | None = None, **values: float) -> SimpleNamespace:
    metrics = {f"eval/{name}": Summary(value, value, value, value, value, 3, 1) for name, value in values.items()}
    return SimpleNamespace(
        id="a1",
        name="one",
        state="completed",
        metrics=metrics,
        best_key=best,
        step=3,
        epoch=1.0,
        started=0.0,
        created=0.0,
    )


def test_a_run_is_known_by_what_chooses_else_by_its_first_headline():
    assert headline_key(run_with(loss=0.5, ece=0.1)) == "eval/loss"
    assert headline_key(run_with(loss=0.5, f1=0.5, accuracy=0.5)) == "eval/accuracy"
    assert headline_key(run_with("eval/ece", ece=0.1, accuracy=0.5)) == "eval/ece"
    assert headline_key(run_with("eval/ece", accuracy=0.5)) == "eval/accuracy"
    assert headline_key(run_with()) is None


@pytest.mark.parametrize("metric", CATALOG, ids=lambda metric: metric.name)
def test_every_metric_reads_the_same_wherever_it_stands(metric):
    name, key, value = metric.name, f"eval/{metric.name}", 0.918273
    text = figure(key, value)
    run, event = run_with(key, **{name: value}), decode(EvalEvent, {"step": 3, "scalars": {key: value}})

    _, makes = columns(["name", "metric", key])
    _, known_by, own = [make(run, Sight(0.0, {})).text for make in makes]
    assert (known_by.split()[0], own) == (text, text), "Runs"

    column = MetricColumn.named(key)
    row = MetricRow("a1", "one", "completed", {key: value})
    table = MetricTable()
    table.put([row], [column])
    head, line = plain(table.lines(80, 5)[:2])
    assert line.split()[-1] == text, "Metrics, the runs"
    assert head.split(None, 1)[1].rstrip(" ↑↓")[:9] == title(name)[:9]
    assert ("↑" in head, "↓" in head) == (metric.direction == "max", metric.direction == "min")

    head, line = plain(VirtualTable(ScoreRows([Scores(3, 1.0, {name: value})])).lines(80, 5)[:2])
    assert line.split()[-1] == text, "Metrics, the evaluations"
    assert head.split(None, 2)[2].strip() == title(name)

    body = LiveBody((Track(run, (Curve(key, ((3, value),), (1.0,), 1, 0, 0),), None),), 0, (0, 3), (), None, ())
    chart = specs(body, ChartView())["loss" if name == "loss" else "evaluation"]
    assert [line.said for line in chart.lines] == [text], "Live, the legend"
    assert chart.within == (axis(["train/loss"]) if name == "loss" else axis([key]))
    assert told(event, key).endswith(f"{name} {text}"), "Live, the news"

    progress = FollowedRun()
    progress.take(decode(PlanEvent, {"total_steps": 8, "best": key}), from_supervisor=False)
    progress.take(event, from_supervisor=False)
    progress.step = 3
    assert f"validation {name} {text}" in progress.line(), "the command line"


def test_live_charts_what_chooses_and_what_is_of_its_scale():
    known = ["eval/chrf", "eval/rougeL", "eval/loss", "eval/bleu", "eval/runtime", "train/loss"]
    assert eval_keys(known, "eval/rougeL", 3) == ["eval/rougeL"]
    assert eval_keys(known, "eval/loss", 3) == ["eval/bleu", "eval/chrf"]
    assert eval_keys(["eval/loss", "eval/runtime"], None, 3) == []
